import { describe, expect, test } from 'vitest'
import type { OpenDoubt } from '../../src/attempt/open-doubt.ts'
import { adoptionOf, voidOf } from '../../src/attempt/verdict-settlement.ts'

const RULES = { settleMs: 60_000, maxAttempts: 3 }
const LATER = { purpose: 'audit', inMs: 120_000 }

const doubt: OpenDoubt = {
  id: '0198170e-4ca7-7ee4-89a7-fa631843920b',
  attempt: 4,
  key: '0198170e-4ca7-7ee4-89a7-fa631843920b.4',
  from: 'uncertain',
  claimId: null,
  fence: '2026-11-23 12:00:05+00',
  ageMs: 61_000,
  startedAt: new Date('2026-11-23T12:00:00Z'),
  uncertainAt: new Date('2026-11-23T12:00:01Z'),
  httpStatus: null,
  errorCode: null,
  named: [],
  evidence: {},
  listingsWithout: 2,
  projectId: 'p',
  requestId: 'r',
  attempts: 2,
  spec: { name: 'web' },
  instanceName: 'web',
  minCount: 1,
  maxCount: 3,
  seen: { version: 7, historyBytes: 9000 },
}

describe('an adoption', () => {
  test('is recorded as if the 202 had arrived, with an audit ahead', () => {
    const row = adoptionOf(doubt, { instanceIds: ['a', 'b'], evidence: { looks: 1 } }, RULES)
    expect(row).toEqual({
      ...{ id: doubt.id, attempt: 4, from: 'uncertain', claimId: null, seen: doubt.seen },
      to: 'provisioning',
      change: {
        ...{ cause: 'adopted', attempt: 4, outcome: 'adopted', evidence: { looks: 1 } },
        instances: ['a', 'b'],
      },
      ...{ refund: 0, retryInMs: null, instanceIds: ['a', 'b'], instanceName: 'web', look: LATER },
    })
  })
})

describe('a void attempt', () => {
  test('puts the request back into the queue after a delay', () => {
    expect(voidOf(doubt, { evidence: null }, RULES, () => 1)).toMatchObject({
      ...{ to: 'queued', refund: 0, retryInMs: 2000, instanceIds: [], look: LATER },
      change: { cause: 'void', attempt: 4, outcome: 'void' },
    })
  })

  test.each([
    ['that the gateway gave up on', 500, 'APIGW.0611', 1],
    ['that was sent elsewhere', 302, 'http_302', 1],
    ['that CloudDC gave up on', 500, 'iMetal.0099', 0],
    ['that the gateway forwarded', 504, 'APIGW.0201', 0],
    ['without an answer', null, 'ECONNRESET', 0],
  ])('%s costs accordingly', (_, httpStatus, errorCode, refund) => {
    const last = { ...doubt, attempts: RULES.maxAttempts, httpStatus, errorCode }
    const row = voidOf(last, { evidence: null }, RULES)
    expect(row).toMatchObject({ refund, to: refund === 1 ? 'queued' : 'failed', change: { outcome: 'void' } })
  })

  test('ends the request when it was the last', () => {
    expect(voidOf({ ...doubt, attempts: 3 }, { evidence: null }, RULES)).toMatchObject({
      ...{ to: 'failed', retryInMs: null, look: LATER },
      change: { cause: 'void', outcome: 'void', error: { code: 'attempts_exhausted' } },
    })
  })
})
