import { describe, expect, test } from 'vitest'
import type { DoubtRow } from '../../src/attempt/doubt-row.sql.ts'
import { addLook, foundBy, readEvidence } from '../../src/attempt/look-evidence.ts'
import { openDoubtOf } from '../../src/attempt/open-doubt.ts'
import type { HistoryEntry } from '../../src/request/history.ts'

const AT = Date.parse('2026-11-23T12:00:00Z')
const CLAIMED: HistoryEntry = { v: 5, at: AT, to: 'dispatching', cause: 'claimed', attempt: 2 }
const TIMEOUT: HistoryEntry = {
  ...{ v: 6, at: AT + 30_000, to: 'uncertain', cause: 'timeout', attempt: 2, outcome: 'uncertain' },
  evidence: { http_status: null, error_code: 'ETIMEDOUT', error_message: 'no answer' },
}

function rowOf(entries: readonly HistoryEntry[], changes: Partial<DoubtRow> = {}): DoubtRow {
  const history = entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')
  return {
    ...{ id: '0198170e-4ca7-7ee4-89a7-fa631843920b', attempt: 2, projectId: 'p', requestId: 'r' },
    ...{
      fence: 'later',
      clockMs: AT + 31_000.5,
      evidence: null,
      listingsWithout: 0,
      version: 6,
      attempts: 1,
    },
    ...{ spec: '{"name":"web"}', minCount: 1, maxCount: 3, history, historyBytes: history.length },
    ...changes,
  }
}

describe('a doubt', () => {
  test('is told by the last entries of the history', () => {
    expect(openDoubtOf(rowOf([CLAIMED, TIMEOUT]))).toMatchObject({
      ...{ id: '0198170e-4ca7-7ee4-89a7-fa631843920b', key: '0198170e-4ca7-7ee4-89a7-fa631843920b.2' },
      ...{ attempt: 2, from: 'uncertain', claimId: null, instanceName: 'web', ageMs: 1000.5 },
      ...{ startedAt: new Date(AT), uncertainAt: new Date(AT + 30_000), httpStatus: null },
      ...{ errorCode: 'ETIMEDOUT', named: [], evidence: TIMEOUT.evidence },
    })
  })

  test('is that of the present attempt, whatever came before and was noted since', () => {
    const earlier = [
      { ...CLAIMED, v: 2, at: 1, attempt: 1 },
      { ...TIMEOUT, v: 3, at: 2, attempt: 1 },
      { v: 4, at: 3, to: 'queued' as const, cause: 'void', attempt: 1, outcome: 'void' as const },
    ]
    const note = {
      v: 7,
      at: AT + 30_500,
      cause: 'unexpected_instances',
      attempt: 1,
      evidence: { unexpected: ['i'] },
    }
    const doubt = openDoubtOf(rowOf([...earlier, CLAIMED, TIMEOUT, note]))
    expect(doubt).toEqual({
      ...openDoubtOf(rowOf([CLAIMED, TIMEOUT])),
      seen: { version: 6, historyBytes: expect.any(Number) },
    })
  })

  test('names what a broken promise named, and nothing that is no id', () => {
    const broken = {
      ...TIMEOUT,
      evidence: { http_status: 202, error_code: 'broken_promise', named: ['a', 7, 'b'] },
    }
    expect(openDoubtOf(rowOf([CLAIMED, broken]))).toMatchObject({ httpStatus: 202, named: ['a', 'b'] })
  })

  test('of a rescued attempt has no answer', () => {
    const rescued = {
      ...TIMEOUT,
      cause: 'lease_expired',
      evidence: { replica_id: 'x', claimed_ms_before: 9 },
    }
    expect(openDoubtOf(rowOf([CLAIMED, rescued]))).toMatchObject({
      ...{ httpStatus: null, errorCode: null, named: [], evidence: { replica_id: 'x' } },
    })
  })

  test('remembers what its looks have found beside what made it', () => {
    const first = openDoubtOf(rowOf([CLAIMED, TIMEOUT]))
    const seen = addLook(
      first.evidence,
      { at: 'now', after_ms: 5, listed: 9, found: 1 },
      { found: ['i'], agreed: 1 },
    )
    const second = openDoubtOf(rowOf([CLAIMED, TIMEOUT], { evidence: JSON.stringify(foundBy(seen)) }))
    expect(readEvidence(second.evidence)).toEqual({ found: ['i'], agreed: 1, alarmed: false })
    expect(second.evidence).toMatchObject({ error_code: 'ETIMEDOUT', reconciling: { look_count: 1 } })
  })
})
