import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { MAX_PASSWORD_JWE } from '../../src/contracts/jwe.ts'
import { buildDelivery, createIntakeHarness, reasonOf } from '../support/intake-harness.ts'
import { buildRequest, CANARY } from '../support/request-builder.ts'

const NO_PASSWORD = { password: undefined }
const sealedOrder = (jwe: unknown, changes: Parameters<typeof buildRequest>[0] = {}) =>
  buildRequest({ ...changes, spec: { ...NO_PASSWORD, password_jwe: jwe, ...changes.spec } })
const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

async function take(body: unknown, harness = createIntakeHarness()) {
  expect(await harness.intake.handle(buildDelivery(body))).toBe('ack')
  return harness
}

describe('an order whose password is sealed', () => {
  test('is stored like one whose password is plain, and is a duplicate of it', async () => {
    const harness = createIntakeHarness()
    const { rows, sealer, jweBox, deadLetters, metrics } = harness
    await take(sealedOrder(await jweBox.seal(CANARY)), harness)
    const row = rows.get('project-1/order-1')
    expect(sealer.open(row?.sealedPassword ?? Buffer.alloc(0), 'project-1/order-1')).toBe(CANARY)
    expect(row?.spec).not.toHaveProperty('password_jwe')

    await take(buildRequest(), harness)
    await take(sealedOrder(await jweBox.seal(CANARY), { spec: { password: null } }), harness)
    expect(deadLetters).toEqual([])
    await take(sealedOrder(await jweBox.seal('Another-Passw0rd')), harness)
    expect(deadLetters.map(reasonOf)).toEqual([{ code: 'idempotency_conflict', paths: ['spec.password'] }])
    const { values } = await metrics.intake.messages.get()
    expect(Object.fromEntries(values.map(({ labels, value }) => [labels.result, value]))).toMatchObject({
      stored: 1,
      duplicate: 2,
      dead_lettered: 1,
    })
  })

  test('may come as a CloudEvent', async () => {
    const { intake, jweBox, rows } = createIntakeHarness()
    const data = sealedOrder(await jweBox.seal(CANARY))
    const event = { specversion: '1.0', id: 'e', source: '/s', type: 't', data }
    const properties = { contentType: 'application/cloudevents+json' }
    expect(await intake.handle(buildDelivery(event, { properties }))).toBe('ack')
    expect([...rows.keys()]).toEqual(['project-1/order-1'])
  })

  test.each([
    ['breaks the rules', 'short'],
    ['breaks the rules, and is long', `Aa1-${'x'.repeat(800)}`],
    ['holds NUL', `${CANARY}\0`],
  ])('is refused where the password %s', async (_, password) => {
    const harness = createIntakeHarness()
    await take(sealedOrder(await harness.jweBox.seal(password)), harness)
    const reasons = harness.deadLetters.map(reasonOf)
    expect(reasons).toMatchObject([{ code: 'invalid_request' }])
    expect(new Set(reasons[0]?.paths)).toEqual(new Set(['spec.password_jwe']))
  })

  test('is refused where the password stands elsewhere too, and is not shown', async () => {
    const harness = createIntakeHarness()
    const { jweBox, deadLetters, rejections, lines } = harness
    const jwe = await jweBox.seal(CANARY)
    const metadata = { note: `see ${CANARY}` }
    await take(sealedOrder(jwe, { spec: { description: CANARY, metadata } }), harness)
    const headers = { traceparent: CANARY }
    const weak = sealedOrder(await jweBox.seal('weakpassword-1'), { request_id: 'weakpassword-1' })
    expect(await harness.intake.handle(buildDelivery(weak, { properties: { headers } }))).toBe('ack')
    expect(deadLetters.map(reasonOf)).toEqual([
      {
        code: 'invalid_request',
        paths: ['spec.description', 'spec.metadata.note'],
      },
      { code: 'invalid_request', paths: ['request_id'] },
    ])
    const shown = deadLetters.map((letter) =>
      Object.entries(letter.properties.headers ?? {}).filter(([name]) => name.startsWith('x-reject')),
    )
    expect(JSON.stringify([shown, rejections, lines])).not.toMatch(/Canary|weakpassword/)
  })

  test('is not shown either where the order breaks other rules, and all faults are told', async () => {
    const harness = createIntakeHarness()
    const { jweBox, deadLetters, rejections, lines } = harness
    const jwe = await jweBox.seal('weakpassword-1')
    const order = sealedOrder(jwe, { request_id: 'weakpassword-1', spec: { min_count: 0 } })
    const properties = { correlationId: 'for weakpassword-1', headers: { note: 'weakpassword-1' } }
    const event = { specversion: '1.0', id: 'e', source: '/s', type: 't', data: order }
    const contentType = 'application/cloudevents+json'
    await harness.intake.handle(buildDelivery(order, { properties }))
    await harness.intake.handle(buildDelivery(event, { properties: { ...properties, contentType } }))
    expect(deadLetters.map(reasonOf)).toEqual([
      { code: 'invalid_request', paths: ['spec.min_count'] },
      { code: 'invalid_request', paths: ['data.spec.min_count'] },
    ])
    const shown = [deadLetters.map((letter) => letter.properties), rejections, lines]
    expect(inspect(shown, { depth: null })).not.toContain('weakpassword')
    const foreign = await createIntakeHarness().jweBox.seal(CANARY)
    await take(sealedOrder(foreign, { spec: { min_count: 0 } }), harness)
    expect(deadLetters.map(reasonOf).at(-1)?.paths).toEqual(['spec.min_count', 'spec.password_jwe'])
  })

  test('is refused where it cannot be opened, before and after decrypting', async () => {
    const harness = createIntakeHarness()
    const header = { alg: 'ECDH-ES+A256KW', enc: 'A256GCM', epk: { kty: 'EC', crv: 'P-256' } }
    const withHeader = (value: unknown) => `${base64url(value)}.AA.AA.AA.AA`
    const foreign = await createIntakeHarness().jweBox.seal(CANARY)
    const bodies = [
      ['', 1, [], 'no jwe', 'a.b.c.d', 'a.b.c.d.e.f', '.....'],
      [withHeader('{'), withHeader(null), withHeader({}), withHeader({ ...header, alg: 'RSA-OAEP' })],
      [withHeader({ ...header, alg: 'dir' }), withHeader({ ...header, enc: 'A128CBC-HS256' })],
      [withHeader({ ...header, zip: 'DEF' }), withHeader({ ...header, crit: ['exp'] })],
      [withHeader({ ...header, epk: { kty: 'EC', crv: 'P-521' } }), withHeader({ ...header, kid: 7 })],
      [withHeader(header), foreign, `${'A'.repeat(MAX_PASSWORD_JWE - 8)}.AA.AA.AA.AA`, 'x'.repeat(60_000)],
    ].flat()
    for (const jwe of bodies) await take(sealedOrder(jwe), harness)
    expect(harness.rows.size).toBe(0)
    expect(harness.deadLetters.map(reasonOf)).toEqual(
      bodies.map(() => ({ code: 'invalid_request', paths: ['spec.password_jwe'] })),
    )
  })

  test('must not bring a plain one along', async () => {
    const harness = createIntakeHarness()
    await take(sealedOrder(await harness.jweBox.seal(CANARY), { spec: { password: CANARY } }), harness)
    expect(harness.deadLetters.map(reasonOf)).toEqual([
      { code: 'invalid_request', paths: ['spec.password_jwe'] },
    ])
  })
})

describe('where only sealed passwords are taken', () => {
  test('a plain one is refused, whatever else is right', async () => {
    const harness = createIntakeHarness({ passwords: 'sealed_only' })
    await take(buildRequest(), harness)
    await take(sealedOrder(await harness.jweBox.seal(CANARY)), harness)
    expect(harness.deadLetters.map(reasonOf)).toEqual([{ code: 'invalid_request', paths: ['spec.password'] }])
    expect(harness.rejections).toMatchObject([{ projectId: 'project-1', requestId: 'order-1' }])
    expect(harness.rows.size).toBe(1)
  })
})
