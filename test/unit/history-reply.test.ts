import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { historyOf } from '../../src/api/history-reply.ts'
import type { HistoryEntry } from '../../src/request/history.ts'

const ID = '019ab06b-6f1d-7c52-8a3e-0b7d52f1c9aa'
const MOST = 5000

const stored = (
  entries: readonly HistoryEntry[],
  changes: Partial<Parameters<typeof historyOf>[0]> = {},
) => ({
  id: ID,
  parts: [entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')],
  truncated: false,
  looks: [],
  ...changes,
})

/** The entries of a request that is accepted and then tried so often; each attempt ends in one of these ways. */
type Way = 'throttled' | 'void' | 'noted'

function entriesOf(ways: readonly Way[]): HistoryEntry[] {
  const entries: HistoryEntry[] = [{ v: 1, at: 0, to: 'queued', cause: 'accepted' }]
  const add = (entry: Omit<HistoryEntry, 'v' | 'at'>) => {
    const v = entries.length + 1
    entries.push({ v, at: v * 1000, ...entry })
  }
  for (const [index, way] of ways.entries()) {
    const attempt = index + 1
    add({ to: 'dispatching', cause: 'claimed', attempt })
    if (way === 'throttled') {
      const evidence = { http_status: 429, error_code: 'APIG.0308' }
      add({ to: 'queued', cause: 'throttled', attempt, outcome: 'not_created', evidence })
      continue
    }
    const evidence = { http_status: null, error_code: 'timeout' }
    add({ to: 'uncertain', cause: 'timeout', attempt, outcome: 'uncertain', evidence })
    add({ to: 'queued', cause: 'void', attempt, outcome: 'void', evidence: { listings_without: 2 } })
    if (way === 'noted')
      add({ cause: 'unexpected_instances', attempt, evidence: { unexpected: [`i-${attempt}`] } })
  }
  return entries
}

const ways = fc.array(fc.constantFrom<Way>('throttled', 'void', 'noted'), { maxLength: 8 })

describe('the history that is shown', () => {
  test('has one transition for each change, each from where the last one led', () => {
    fc.assert(
      fc.property(ways, (tried) => {
        const entries = entriesOf(tried)
        const { history, truncated } = historyOf(stored(entries), MOST)
        const transitions = history.filter((entry) => entry.kind === 'transition')
        expect(truncated).toBe(false)
        expect(transitions.map(({ cause, time }) => [cause, time.getTime()])).toEqual(
          entries.map(({ cause, at }) => [cause, at]),
        )
        for (const [index, { from }] of transitions.entries())
          expect(from).toBe(transitions[index - 1]?.to ?? null)
      }),
    )
  })

  test('has one attempt for each claim, right after it, with its outcome', () => {
    fc.assert(
      fc.property(ways, (tried) => {
        const { history } = historyOf(stored(entriesOf(tried)), MOST)
        const attempts = history.filter((entry) => entry.kind === 'attempt')
        expect(attempts.map(({ attempt_id }) => attempt_id)).toEqual(
          tried.map((_, index) => `${ID}.${index + 1}`),
        )
        for (const [index, entry] of history.entries()) {
          if (entry.kind !== 'attempt') continue
          expect(history[index - 1]).toMatchObject({
            cause: 'claimed',
            attempt: entry.attempt,
            time: entry.time,
          })
          expect(entry.state).toBe(tried[entry.attempt - 1] === 'throttled' ? 'not_created' : 'void')
          expect(entry.finished_at).not.toBeNull()
        }
      }),
    )
  })

  test('is the same however it is cut into parts', () => {
    fc.assert(
      fc.property(ways, fc.array(fc.nat(40)), (tried, cuts) => {
        const entries = entriesOf(tried)
        const [whole = ''] = stored(entries).parts
        const lines = whole.split(/(?<=\n)/)
        const places = [
          0,
          ...new Set(cuts.filter((cut) => cut < lines.length).sort((a, b) => a - b)),
          lines.length,
        ]
        const parts = places.slice(1).map((end, index) => lines.slice(places[index], end).join(''))
        expect(historyOf(stored(entries, { parts }), MOST)).toEqual(historyOf(stored(entries), MOST))
      }),
    )
  })

  test('keeps the end of what it shows of it, and says that the beginning is missing', () => {
    fc.assert(
      fc.property(ways, fc.integer({ min: 1, max: 12 }), (tried, most) => {
        const whole = historyOf(stored(entriesOf(tried)), MOST).history
        const cut = historyOf(stored(entriesOf(tried)), most)
        const isFull = whole.filter(({ kind }) => kind === 'transition').length <= most
        expect(cut.truncated).toBe(!isFull)
        expect(whole.slice(whole.length - cut.history.length)).toEqual(cut.history)
        expect(cut.history.filter(({ kind }) => kind === 'transition').length).toBeLessThanOrEqual(most)
      }),
    )
  })

  test('tells all evidence of an attempt, also of a later note', () => {
    const { history } = historyOf(stored(entriesOf(['noted'])), MOST)
    expect(history.find(({ kind }) => kind === 'attempt')).toMatchObject({
      state: 'void',
      evidence: { error_code: 'timeout', listings_without: 2, unexpected: ['i-1'] },
    })
    expect(history.at(-1)).toMatchObject({ kind: 'transition', from: 'queued', to: 'queued' })
  })

  test('leaves out a change of which only the beginning is missing', () => {
    const entries = entriesOf(['throttled']).slice(1)
    const { history, truncated } = historyOf(stored(entries, { truncated: true }), MOST)
    expect(truncated).toBe(true)
    expect(history).toMatchObject([{ kind: 'transition', from: 'dispatching', to: 'queued' }])
  })
})
