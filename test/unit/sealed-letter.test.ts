import { createHash, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { MessageProperties, OutgoingMessage } from '../../src/amqp/message.ts'
import { MAX_BODY_BYTES } from '../../src/contracts/request-message.ts'
import { createJweBox } from '../../src/secrets/jwe-box.ts'
import { unsealLetter } from '../../src/secrets/unseal-letter.ts'
import { buildDelivery, createIntakeHarness, reasonOf } from '../support/intake-harness.ts'
import { buildRequest, CANARY } from '../support/request-builder.ts'

type Harness = ReturnType<typeof createIntakeHarness>

/** The one dead letter of a message. */
async function letterOf(harness: Harness, body: unknown, properties: MessageProperties = {}) {
  const before = harness.deadLetters.length
  expect(await harness.intake.handle(buildDelivery(body, { properties }))).toBe('ack')
  const letters = harness.deadLetters.slice(before)
  expect(letters).toHaveLength(1)
  return letters[0] as OutgoingMessage
}

/** Publishes a letter again, as it is. */
const replay = ({ intake }: Harness, { body, properties }: OutgoingMessage) =>
  intake.handle(buildDelivery(Buffer.from(body), { properties }))

const alteredOf = ({ properties: { headers = {} } }: OutgoingMessage): unknown =>
  JSON.parse(String(headers['x-rejection-altered'] ?? '[]'))

const bytesOf = ({ body }: OutgoingMessage) => Buffer.from(body)

const unseal = async (harness: Harness, letter: OutgoingMessage) => {
  const body = bytesOf(letter)
  const unsealed = await unsealLetter(harness.jweBox, { body, contentType: letter.properties.contentType })
  return unsealed.ok ? unsealed.content : undefined
}

const taken = (harness: Harness) =>
  harness.intake.handle(buildDelivery(buildRequest({ spec: { name: 'first' } })))

const event = (data: unknown) => ({ specversion: '1.0', id: 'e', source: '/s', type: 't', data })

describe('the dead letter of a message that is valid in itself', () => {
  test.each([
    ['an order', buildRequest({ priority: 3 }), undefined, 'application/json'],
    ['a CloudEvent', event(buildRequest()), undefined, 'application/cloudevents+json'],
    [
      'an order in other words',
      undefined,
      JSON.stringify(
        buildRequest({ priority: 3, spec: { password_jwe: null, metadata: { 1: 'b', a: '}"{' } } }),
      )
        .replace('"priority":3', ' "priority" : 3.0e0 ')
        .replace('"password"', '"pass\\u0077ord" '),
      undefined,
    ],
  ])('is %s with its password sealed, and nothing else changed', async (_, value, text, contentType) => {
    const harness = createIntakeHarness()
    await taken(harness)
    const sent = text ?? JSON.stringify(value)
    const letter = await letterOf(harness, Buffer.from(sent), { contentType, messageId: 'm' })
    expect(letter.properties.contentType).toBe(contentType)
    expect(letter.properties.messageId).toBe('m')
    expect(alteredOf(letter)).toEqual(['spec.password'])
    const carried = bytesOf(letter).toString()
    expect(carried).not.toContain(CANARY)
    const [jwe = ''] = /[\w-]+\.[\w-]+\.[\w-]+\.[\w-]+\.[\w-]+/.exec(carried) ?? []
    expect((await harness.jweBox.open(jwe))?.content.toString()).toBe(CANARY)
    const quoted = JSON.stringify(CANARY)
    const expected = sent.includes('password_jwe')
      ? sent.replace(quoted, 'null').replace('"password_jwe":null', `"password_jwe":"${jwe}"`)
      : sent.replace(/"password"/, '"password_jwe"').replace(quoted, `"${jwe}"`)
    expect(carried).toBe(expected)
  })

  test('is taken when it is published again', async () => {
    const harness = createIntakeHarness()
    await taken(harness)
    const letter = await letterOf(harness, buildRequest())
    harness.rows.clear()
    expect(await replay(harness, letter)).toBe('ack')
    const row = harness.rows.get('project-1/order-1')
    expect(harness.sealer.open(row?.sealedPassword ?? Buffer.alloc(0), 'project-1/order-1')).toBe(CANARY)
    expect(harness.deadLetters).toHaveLength(1)
  })

  test('stays the same, however often it comes back', async () => {
    const harness = createIntakeHarness()
    await taken(harness)
    const letter = await letterOf(harness, buildRequest())
    const again = await letterOf(harness, bytesOf(letter), letter.properties)
    expect(bytesOf(again).equals(bytesOf(letter))).toBe(true)
  })

  test('is sealed also where it was delivered too often, or plain passwords are refused', async () => {
    for (const options of [{ deliveryLimit: 0 }, { passwords: 'sealed_only' as const }]) {
      const letter = await letterOf(createIntakeHarness(options), buildRequest())
      expect(JSON.parse(bytesOf(letter).toString()).spec).toMatchObject({
        password_jwe: expect.any(String),
      })
      expect(JSON.stringify(letter.properties) + bytesOf(letter)).not.toContain(CANARY)
    }
  })

  test('carries no property that holds the password, and names what it lacks', async () => {
    const harness = createIntakeHarness()
    await taken(harness)
    const letter = await letterOf(harness, buildRequest(), {
      appId: `for ${CANARY}`,
      type: 'kept',
      headers: {
        traceparent: CANARY,
        deep: { list: [{ x: CANARY }, 2n ** 60n] },
        [CANARY]: 1,
        kept: 2n ** 60n,
      },
    })
    expect(letter.properties).toMatchObject({ type: 'kept', headers: { kept: 2n ** 60n } })
    expect(inspect(letter, { depth: null })).not.toContain(CANARY)
    expect(alteredOf(letter)).toEqual([
      'spec.password',
      'app_id',
      'headers.traceparent',
      'headers.deep',
      'headers',
    ])
  })
})

describe('the dead letter of any other message', () => {
  test.each([
    ['no JSON', Buffer.from(`password=${CANARY}`), undefined],
    ['no bytes', Buffer.alloc(0), undefined],
    ['a misspelt member', buildRequest({ spec: { pasword: CANARY } }), 'application/json'],
    ['another type', buildRequest(), 'text/plain; charset=latin1'],
  ])('is sealed whole: %s', async (_, sent, contentType) => {
    const harness = createIntakeHarness()
    const letter = await letterOf(harness, sent, { contentType, messageId: 'm' })
    expect(letter.properties).toMatchObject({ contentType: 'application/jose', messageId: 'm' })
    expect(JSON.stringify([letter, bytesOf(letter).toString()])).not.toContain(CANARY)
    const body = Buffer.isBuffer(sent) ? sent : Buffer.from(JSON.stringify(sent))
    expect(await unseal(harness, letter)).toEqual({ body, contentType })
    expect(alteredOf(letter)).toEqual([])
  })

  test('is judged by its content when it is published again, and stays as it is', async () => {
    const harness = createIntakeHarness()
    const letter = await letterOf(harness, { ...buildRequest(), extra: 1 })
    const again = await letterOf(harness, bytesOf(letter), letter.properties)
    expect(reasonOf(again)).toEqual({ code: 'invalid_request', paths: ['extra'] })
    expect(bytesOf(again).equals(bytesOf(letter))).toBe(true)
    expect(harness.rejections).toHaveLength(2)
  })

  test('is an order when what was wrong with it is not wrong any more', async () => {
    const harness = createIntakeHarness()
    const sealed = await harness.jweBox.seal(
      JSON.stringify(event(buildRequest())),
      'application/cloudevents+json',
    )
    const properties = { contentType: 'application/jose' }
    expect(await harness.intake.handle(buildDelivery(Buffer.from(sealed), { properties }))).toBe('ack')
    expect([...harness.rows.keys()]).toEqual(['project-1/order-1'])
  })

  test('does not show a content type that may be a secret', async () => {
    const harness = createIntakeHarness()
    const letter = await letterOf(harness, buildRequest({ extra: 1 }), { contentType: CANARY })
    const [header = ''] = bytesOf(letter).toString().split('.')
    expect(Buffer.from(header, 'base64url').toString()).not.toContain(CANARY)
    expect(alteredOf(letter)).toEqual(['content_type'])
  })

  test('above 64 KiB holds the beginning, and names size and digest of the whole', async () => {
    const harness = createIntakeHarness()
    const sent = randomBytes(MAX_BODY_BYTES + 4000)
    const letter = await letterOf(harness, sent, { contentType: 'application/json' })
    expect(await unseal(harness, letter)).toEqual({
      body: sent.subarray(0, MAX_BODY_BYTES),
      contentType: 'application/json',
    })
    const sha256 = createHash('sha256').update(sent).digest('hex')
    expect(alteredOf(letter)).toEqual([`body: the first 65536 of 69536 bytes, sha256 ${sha256}`])
    const again = await letterOf(harness, bytesOf(letter), letter.properties)
    expect(reasonOf(again).code).toBe('invalid_json')
  })

  test('carries no property that holds what its password_jwe holds', async () => {
    const harness = createIntakeHarness()
    const password_jwe = await harness.jweBox.seal(CANARY)
    const order = buildRequest({ spec: { password: null, password_jwe } })
    const letter = await letterOf(harness, order, { correlationId: CANARY, headers: { for: CANARY } })
    expect(reasonOf(letter)).toEqual({ code: 'invalid_request', paths: ['correlation_id'] })
    expect(inspect(letter, { depth: null })).not.toContain(CANARY)
    expect(alteredOf(letter)).toEqual(['correlation_id', 'headers.for'])
  })
})

describe('a sealed body', () => {
  const properties = { contentType: 'application/jose' }

  test.each([
    [
      'of another service',
      () => createJweBox([{ id: 'k1', key: randomBytes(32) }]).seal('{}'),
      'invalid_request',
    ],
    ['that is none', async () => `password=${CANARY}`, 'invalid_request'],
    ['that is far too long', async () => `${'A'.repeat(100_000)}`, 'message_too_large'],
  ])('%s is a dead letter', async (_, make, code) => {
    const harness = createIntakeHarness()
    const letter = await letterOf(harness, Buffer.from(await make()), properties)
    expect(reasonOf(letter)).toEqual({ code, paths: [''] })
    expect(bytesOf(letter).toString()).not.toContain(CANARY)
    expect(letter.properties.contentType).toBe('application/jose')
  })

  test('counts by what is inside', async () => {
    const harness = createIntakeHarness()
    const order = JSON.stringify(buildRequest())
    const fits = await harness.jweBox.seal(order.padEnd(MAX_BODY_BYTES), 'application/json')
    expect(await harness.intake.handle(buildDelivery(Buffer.from(fits), { properties }))).toBe('ack')
    expect(harness.rows.size).toBe(1)
    const large = await harness.jweBox.seal(order.padEnd(MAX_BODY_BYTES + 1), 'application/json')
    expect(reasonOf(await letterOf(harness, Buffer.from(large), properties)).code).toBe('message_too_large')
  })

  test('is not opened twice', async () => {
    const harness = createIntakeHarness()
    const inner = await harness.jweBox.seal(JSON.stringify(buildRequest()), 'application/json')
    const outer = await harness.jweBox.seal(inner, 'application/jose')
    const letter = await letterOf(harness, Buffer.from(outer), properties)
    expect(reasonOf(letter).code).toBe('unsupported_content_type')
  })
})

test('no body is readable in its letter, and each opens to what was sent', async () => {
  const harness = createIntakeHarness()
  const text = JSON.stringify(buildRequest({ extra: true }))
  await fc.assert(
    fc.asyncProperty(fc.nat(text.length), fc.string({ maxLength: 20 }), async (at, inserted) => {
      const sent = Buffer.from(text.slice(0, at) + inserted + text.slice(at))
      const letter = await letterOf(harness, sent, { contentType: 'application/json' })
      expect(bytesOf(letter).includes(CANARY)).toBe(false)
      const unsealed = await unseal(harness, letter)
      expect(unsealed?.body.equals(sent)).toBe(true)
    }),
    { numRuns: 100 },
  )
})

test('a letter that cannot be sealed is not shown, and waits', async () => {
  const lines = { tries: 0 }
  const box = createJweBox([{ id: 'k1', key: randomBytes(32) }])
  const jweBox = {
    ...box,
    seal: async (...input: Parameters<typeof box.seal>) => {
      lines.tries += 1
      if (lines.tries < 3) throw new Error('out of order')
      return box.seal(...input)
    },
  }
  const harness = createIntakeHarness({ jweBox })
  const letter = await letterOf(harness, Buffer.from(`password=${CANARY}`))
  expect(bytesOf(letter).toString()).not.toContain(CANARY)
  expect(lines.tries).toBe(3)
})
