import { describe, expect, test } from 'vitest'
import type { MessageProperties } from '../../src/amqp/message.ts'
import { requestAccepted } from '../../src/contracts/events.ts'
import { buildDelivery, createIntakeHarness } from '../support/intake-harness.ts'
import { characterMutations, type Json, memberMutations, tokenMutations } from '../support/mutations.ts'
import { buildRequest } from '../support/request-builder.ts'

/** Valid passwords; the last two could be names, and the last one an id. */
const PASSWORDS = ['Qz7v-Kx2w!Rj"', 'qz7v_kx2w_rj', 'Qz7vKx2wRj']
/** As long as a part must be to be recognised. */
const PART = 5

const order = (password: string) =>
  buildRequest({ priority: 1, spec: { password, metadata: { team: 'blue' }, min_count: 1 } })
const event = (password: string) => ({
  specversion: '1.0',
  id: 'event-1',
  source: '/shop',
  type: 'ordered',
  data: order(password),
})
const FORMS = [
  ['an order', order, 'application/json'],
  ['a CloudEvent', event, 'application/cloudevents+json'],
] as const

/** What others may see of each message: its rejection, its events, the log. */
async function publish(texts: Iterable<string>, properties: MessageProperties) {
  // Sealing thousands of bodies would take long: their headers are the same.
  const { intake, rejections, deadLetters, lines, rows } = createIntakeHarness({ exactDeadLetters: true })
  const seen: { text: string; shown: string }[] = []
  for (const text of texts) {
    expect(await intake.handle(buildDelivery(Buffer.from(text), { properties }))).toBe('ack')
    const reasons = deadLetters.splice(0).flatMap((letter) => {
      const headers = Object.entries(letter.properties.headers ?? {})
      return headers.filter(([name]) => name.startsWith('x-reject'))
    })
    const accepted = [...rows.values()].map((row) =>
      requestAccepted(row, { version: 1, at: 0 }, { state: 'queued' }),
    )
    rows.clear()
    seen.push({ text, shown: JSON.stringify([reasons, accepted, rejections.splice(0), lines.splice(0)]) })
  }
  return seen
}

describe.each(PASSWORDS)('the password %s', (password) => {
  const lower = password.toLowerCase()
  const parts = Array.from({ length: lower.length - PART + 1 }, (_, at) => lower.slice(at, at + PART))
  const isShown = ({ shown }: { shown: string }) => parts.some((part) => shown.toLowerCase().includes(part))
  /** Where it stands as an id, and nowhere as a password, it is an id. */
  const isMereId = ({ text }: { text: string }) =>
    new RegExp(`"(?:\\w*id|ID)":"\\w?${password.slice(1)}`).test(text) &&
    !text.includes(`"password":"${password}`)

  const expectSecret = async (texts: Iterable<string>, properties: MessageProperties) => {
    const seen = await publish(texts, properties)
    expect(seen.filter((one) => isShown(one) && !isMereId(one)).slice(0, 3)).toEqual([])
    return seen.length
  }

  const textForms = password === PASSWORDS[0] ? FORMS : FORMS.slice(0, 1)
  test.each(textForms)('of %s is not shown, whatever happens to its text', async (_, build, contentType) => {
    const text = JSON.stringify(build(password))
    expect(await expectSecret(tokenMutations(text), { contentType })).toBeGreaterThan(2000)
    expect(await expectSecret(characterMutations(text), { contentType })).toBeGreaterThan(2000)
  })

  test.each(FORMS)('of %s is not shown, whatever its members are', async (_, build, contentType) => {
    const texts = memberMutations(build(password) as Json, password)
    expect(await expectSecret(texts, { contentType })).toBeGreaterThan(2000)
  })

  test.each<[string, MessageProperties]>([
    ['the message_id', { messageId: password }],
    ['the correlation_id', { correlationId: `x${password}` }],
    ['the headers', { headers: { traceparent: password, tracestate: `a=${password}` } }],
    ['the content type', { contentType: password }],
  ])('is not shown where %s has it', async (_, properties) => {
    const bodies = [
      order(password),
      { ...order(password), request_id: undefined },
      { ...order(password), x: 1 },
    ]
    await expectSecret(
      bodies.map((body) => JSON.stringify(body)),
      properties,
    )
  })
})
