import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { classifyOutcome as classify, type Outcome, type Promised } from '../../src/attempt/outcome.ts'
import type { CallEvidence } from '../../src/clouddc/evidence.ts'
import { meaningOf } from '../../src/clouddc/refusal.ts'

/** What the call was promised where a test does not care. */
const ONE_TO_FOUR: Promised = { minCount: 1, maxCount: 4 }

const classifyOutcome = (evidence: CallEvidence, promised = ONE_TO_FOUR): Outcome =>
  classify(evidence, promised)

const code = fc.oneof(
  fc.constantFrom(
    'APIGW.0301',
    'APIG.0307',
    'APIGW.0308',
    'iMetal.0001',
    'APIGW.0613',
    'APIGW.0611',
    'CALL_TIMEOUT',
    'NOT_SENT',
    'ECONNRESET',
  ),
  fc.string(),
)
const answers: fc.Arbitrary<Extract<CallEvidence, { kind: 'response' }>> = fc.record({
  kind: fc.constant('response' as const),
  status: fc.integer({ min: 100, max: 599 }),
  retryAfterMs: fc.option(fc.nat()),
  upstreamRequestId: fc.option(fc.string()),
  instanceIds: fc.option(fc.array(fc.constantFrom('a', 'b', 'c', 'd'))),
  unusableIds: fc.nat({ max: 2 }),
  code: fc.option(code),
  message: fc.string(),
})
const successes = fc
  .tuple(answers, fc.integer({ min: 200, max: 299 }))
  .map(([answer, status]) => ({ ...answer, status }))
const promises = fc
  .tuple(fc.integer({ min: 1, max: 4 }), fc.nat({ max: 3 }))
  .map(([minCount, more]): Promised => ({ minCount, maxCount: minCount + more }))
const silences: fc.Arbitrary<Extract<CallEvidence, { kind: 'no_response' }>> = fc.record({
  kind: fc.constant('no_response' as const),
  requestStarted: fc.boolean(),
  code,
  message: fc.string(),
})

describe('any answer', () => {
  it('means a creation exactly when it is a 2xx that keeps its promise, and names what it named', () => {
    fc.assert(
      fc.property(successes, promises, (answer, promised) => {
        const outcome = classifyOutcome(answer, promised)
        const { instanceIds: ids } = answer
        const kept =
          ids !== null &&
          answer.unusableIds === 0 &&
          ids.every((id, index) => ids.indexOf(id) === index) &&
          ids.length >= promised.minCount &&
          ids.length <= promised.maxCount
        expect(outcome.class).toBe(kept ? 'created' : 'unknown')
        if (outcome.class === 'created') expect(outcome.instanceIds).toEqual(ids)
      }),
    )
  })

  it('that breaks its promise keeps what it named, each once', () => {
    fc.assert(
      fc.property(successes, promises, (answer, promised) => {
        const outcome = classifyOutcome(answer, promised)
        if (outcome.class !== 'unknown') return
        if (answer.instanceIds === null) expect(outcome).toMatchObject({ reason: 'unreadable_answer' })
        else {
          const named = [...new Set(answer.instanceIds)]
          expect(outcome).toMatchObject({ reason: 'broken_promise', code: 'broken_promise', named })
        }
      }),
    )
  })

  it.each<[string, string[], number, number, number]>([
    ['instances named: 1, promised: 2', ['a'], 0, 2, 2],
    ['instances named: 4, promised: 1 to 3', ['a', 'b', 'c', 'd'], 0, 1, 3],
    ['instances named: 0, promised: 1', [], 0, 1, 1],
    ['instances named: 1, promised: 2', ['a', 'a'], 0, 2, 2],
    ['an instance is named more than once', ['a', 'b', 'a'], 0, 2, 3],
    ['something is named that is no id', ['a', 'b'], 1, 2, 3],
  ])('says how it breaks its promise: %s', (message, instanceIds, unusableIds, minCount, maxCount) => {
    const evidence = response({ instanceIds, unusableIds })
    expect(classifyOutcome(evidence, { minCount, maxCount })).toMatchObject({ class: 'unknown', message })
  })

  it('means a creation only when it is a 2xx', () => {
    fc.assert(
      fc.property(answers, (answer) => {
        if (classifyOutcome(answer).class !== 'created') return
        expect(Math.trunc(answer.status / 100)).toBe(2)
      }),
    )
  })

  it('without ids means what its status and code mean', () => {
    fc.assert(
      fc.property(answers, (answer) => {
        const outcome = classifyOutcome(answer)
        if (answer.status >= 200 && answer.status < 300) return
        const meaning = meaningOf(answer)
        expect(outcome).toMatchObject(
          meaning.done === false
            ? { class: 'not_created', reason: meaning.reason, httpStatus: answer.status }
            : { class: 'unknown', ...(meaning.closes === null ? {} : { closes: meaning.closes }) },
        )
      }),
    )
  })

  it.each([
    [302, 'unexpected_status'],
    [408, 'timeout'],
    [418, 'unexpected_status'],
    [499, 'timeout'],
    [500, 'server_error'],
    [504, 'server_error'],
  ])('without ids is unknown at %i: %s', (status, reason) => {
    expect(classifyOutcome(response({ status }))).toMatchObject({ class: 'unknown', reason })
  })

  it('keeps the status, code and words as evidence', () => {
    const facts = { status: 429, code: 'iMetal.0005', message: 'slow down', retryAfterMs: 1500 }
    expect(classifyOutcome(response(facts))).toEqual({
      class: 'not_created',
      reason: 'throttled',
      code: 'iMetal.0005',
      message: 'slow down',
      httpStatus: 429,
      retryAfterMs: 1500,
    })
    expect(classifyOutcome(response({ status: 500, code: null }))).toMatchObject({ code: 'http_500' })
  })
})

describe('no answer', () => {
  it('is unknown exactly when the request was started', () => {
    fc.assert(
      fc.property(silences, (silence) => {
        expect(classifyOutcome(silence).class).toBe(silence.requestStarted ? 'unknown' : 'not_created')
      }),
    )
  })

  it.each([
    ['NOT_SENT', 'not_sent'],
    ['NO_CREDENTIAL', 'unauthorized'],
    ['ECONNREFUSED', 'unreachable'],
    ['ENOTFOUND', 'unreachable'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'unreachable'],
    ['UND_ERR_CONNECT_TIMEOUT', 'unreachable'],
    ['CALL_TIMEOUT', 'unreachable'],
  ])('%s before the start: %s', (sent, reason) => {
    const silence = { kind: 'no_response', requestStarted: false, code: sent, message: '' } as const
    expect(classifyOutcome(silence)).toMatchObject({ class: 'not_created', reason, httpStatus: null })
  })

  it.each([
    ['CALL_TIMEOUT', 'timeout'],
    ['ECONNRESET', 'connection_lost'],
    ['EPIPE', 'connection_lost'],
    ['UND_ERR_SOCKET', 'connection_lost'],
    ['HPE_INVALID_CONSTANT', 'unreadable_answer'],
    ['NOT_SENT', 'connection_lost'],
    ['ECONNREFUSED', 'connection_lost'],
  ])('%s after the start: %s', (sent, reason) => {
    const silence = { kind: 'no_response', requestStarted: true, code: sent, message: '' } as const
    expect(classifyOutcome(silence)).toMatchObject({ class: 'unknown', reason })
  })
})

function response(facts: Partial<Extract<CallEvidence, { kind: 'response' }>>): CallEvidence {
  return {
    kind: 'response',
    status: 202,
    retryAfterMs: null,
    upstreamRequestId: null,
    instanceIds: null,
    unusableIds: 0,
    code: null,
    message: '',
    ...facts,
  }
}
