import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import {
  createOutcomeRecorder,
  type OpenClaim,
  oneEffectPerProject,
} from '../../src/attempt/outcome-recorder.ts'
import type { BucketEffect } from '../../src/budget/apply-call-results.sql.ts'
import type { Database } from '../../src/database/database.ts'
import { unansweredOf } from '../../src/dispatch/unanswered-claims.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { databaseError } from '../support/intake-harness.ts'

const trouble = (projectId: string, blockMs: number | null): BucketEffect => ({
  projectId,
  effect: 'trouble',
  blockMs,
  reason: blockMs === null ? null : 'throttled',
})
const clear = (projectId: string): BucketEffect => ({
  projectId,
  effect: 'clear',
  blockMs: null,
  reason: null,
})
const work = (projectId: string): BucketEffect => ({ projectId, effect: 'work', blockMs: null, reason: null })

const settlement = (id: string, bucket: BucketEffect | null = null, claim: OpenClaim = held(id, 2)) => ({
  projectId: bucket?.projectId ?? 'a',
  row: unansweredOf({ id, attempt: 1 }, claim.id),
  bucket,
  claim,
})

const held = (id: string, unsettled: number): OpenClaim => ({ id, unsettled })

/** A recorder on a database that settles what it is given, after the errors it is to meet. */
function createRecorder(errors: unknown[] = [], { stale = [] as string[] } = {}) {
  const statements: { ids: string[]; inTransaction: boolean; removed?: string[] }[] = []
  const effects: BucketEffect[] = []
  const lines: string[] = []
  const recorded: string[][] = []
  const stopping = new AbortController()
  const run =
    (inTransaction: boolean) =>
    async (text: string, json: unknown, ...others: unknown[]) => {
      if (!text.includes('provision_request')) {
        effects.push(...(JSON.parse(String(json)) as BucketEffect[]))
        return []
      }
      const rows = JSON.parse(String(json)) as { id: string; attempt: number }[]
      const ids = rows.map((row) => row.id)
      const removed = others.at(-1) as string[]
      statements.push({ ids, inTransaction, ...(removed.length > 0 ? { removed } : {}) })
      const error = errors.shift()
      if (error !== undefined) throw error
      return rows
        .filter(({ id }) => !stale.includes(id))
        .map(({ id, attempt }) => ({ id, attempt, projectId: 'p', requestId: id }))
    }
  const database = {
    query: run(false),
    transaction: (work: (sql: unknown) => Promise<unknown>) => work({ query: run(true) }),
  } as unknown as Database
  const recorder = createOutcomeRecorder({
    database,
    pollTimes: { firstPollMs: 1000, provisionTimeoutMs: 60_000 },
    metrics: createMetrics(),
    logger: pino({ level: 'debug' }, { write: (line: string) => lines.push(line) }),
    onRecorded: (settled) => recorded.push(settled.map(({ id }) => id)),
    signal: stopping.signal,
  })
  return { recorder, statements, effects, lines, recorded, stopping }
}

describe('the recorder of outcomes', () => {
  test('records what ends in the same moment with one statement', async () => {
    const { recorder, statements, recorded } = createRecorder()
    expect(await Promise.all(['a', 'b', 'c'].map((id) => recorder.record(settlement(id))))).toEqual([
      true,
      true,
      true,
    ])
    expect(statements).toEqual([{ ids: ['a', 'b', 'c'], inTransaction: false }])
    expect(recorded).toEqual([['a', 'b', 'c']])
  })

  test('tells which of them came too late', async () => {
    const { recorder, lines } = createRecorder([], { stale: ['b'] })
    expect(await Promise.all(['a', 'b'].map((id) => recorder.record(settlement(id))))).toEqual([true, false])
    expect(lines.join('')).toContain('came too late')
  })

  test('records the effect on the bucket in the same transaction', async () => {
    const { recorder, statements } = createRecorder()
    await recorder.record(settlement('a', trouble('p', 1000)))
    expect(statements).toEqual([{ ids: ['a'], inTransaction: true }])
  })

  test('tries for as long as the database is unreachable, and says so once', async () => {
    const { recorder, statements, recorded, lines } = createRecorder([
      databaseError(),
      databaseError('57P01'),
      databaseError('40P01'),
    ])
    expect(await recorder.record(settlement('a'))).toBe(true)
    expect(statements).toHaveLength(4)
    expect(recorded).toEqual([['a']])
    expect(lines.filter((line) => line.includes('failing, will keep trying'))).toHaveLength(1)
  })

  test('gives the tokens of calls that were not made back, each by its payment', async () => {
    const { recorder, effects } = createRecorder([databaseError('40P01')])
    const unmade = (key: string) =>
      recorder.record(settlement(key, { ...work('p'), refunds: [`paid for ${key}`] }))
    await Promise.all([unmade('a'), unmade('b')])
    expect(effects.flatMap((effect) => effect.refunds ?? [])).toEqual(['paid for a', 'paid for b'])
  })

  test('does not try again what the database refuses', async () => {
    const { recorder, statements } = createRecorder([databaseError('23514')])
    await expect(recorder.record(settlement('a'))).rejects.toThrow()
    expect(statements).toHaveLength(1)
  })

  test('records the others without one that the database refuses', async () => {
    // The first four, the first two, the first, the second, the last two.
    const errors = [databaseError('22P05'), databaseError('22P05'), databaseError('22P05')]
    const { recorder, recorded } = createRecorder(errors)
    const outcomes = await Promise.allSettled(
      ['a', 'b', 'c', 'd'].map((id) => recorder.record(settlement(id))),
    )
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', ...Array(3).fill('fulfilled')])
    expect(recorded).toEqual([['b'], ['c', 'd']])
  })

  test('removes a claim with the record of its last outcome', async () => {
    const { recorder, statements } = createRecorder()
    const claim = held('claim', 3)
    await Promise.all(['a', 'b'].map((id) => recorder.record(settlement(id, null, claim))))
    const other = held('other', 1)
    await Promise.all([
      recorder.record(settlement('c', null, claim)),
      recorder.record(settlement('d', null, other)),
    ])
    expect(statements.map(({ removed }) => removed)).toEqual([undefined, ['claim', 'other']])
  })

  test('leaves a claim to the rescuer while one of its outcomes is not recorded', async () => {
    const { recorder, statements } = createRecorder([databaseError('22P05'), databaseError('22P05')])
    const claim = held('claim', 2)
    const outcomes = await Promise.allSettled(
      ['a', 'b'].map((id) => recorder.record(settlement(id, null, claim))),
    )
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    expect(statements.map(({ ids, removed }) => [ids.join(), removed])).toEqual([
      ['a,b', ['claim']],
      ['a', undefined],
      ['b', undefined],
    ])
    await recorder.record(settlement('a', null, claim))
    expect(statements.at(-1)?.removed).toEqual(['claim'])
  })

  test('removes it also with a second try', async () => {
    const { recorder, statements } = createRecorder([databaseError()])
    await recorder.record(settlement('a', null, held('claim', 1)))
    expect(statements.map(({ removed }) => removed)).toEqual([['claim'], ['claim']])
  })

  test('gives up when it is told to', async () => {
    const { recorder, stopping } = createRecorder(Array.from({ length: 100 }, () => databaseError()))
    const recording = recorder.record(settlement('a'))
    stopping.abort()
    await expect(recording).rejects.toThrow()
    await recorder.drained()
  })
})

describe('several effects on one project', () => {
  test.each<[string, BucketEffect[], BucketEffect]>([
    ['the longest block', [trouble('p', 100), trouble('p', 900), trouble('p', 500)], trouble('p', 900)],
    ['trouble before its end', [clear('p'), trouble('p', null), clear('p')], trouble('p', null)],
    ['the end of trouble before mere work', [work('p'), clear('p'), work('p')], clear('p')],
  ])('come to the gravest: %s', (_, effects, gravest) => {
    const settlements = effects.map((effect, n) => settlement(String(n), effect))
    expect(oneEffectPerProject(settlements)).toEqual([gravest])
  })

  test('of a missing answer count only while nothing was created beside it', () => {
    const missing = settlement('1', { ...trouble('a', 1000), reason: 'upstream_unavailable' })
    const second = settlement('2', trouble('a', null))
    const unanswered = { ...second, row: { ...second.row, to: 'uncertain' as const } }
    const { row, ...others } = settlement('3')
    const created = { ...others, row: { ...row, change: { ...row.change, outcome: 'created' as const } } }
    const elsewhere = { ...created, projectId: 'b' }
    expect(oneEffectPerProject([missing, unanswered, elsewhere])).toEqual([missing.bucket])
    expect(oneEffectPerProject([unanswered, created])).toEqual([])
    // Its request is back in the queue.
    expect(oneEffectPerProject([missing, unanswered, created])).toEqual([work('a')])
    const throttled = settlement('4', trouble('a', 10))
    expect(oneEffectPerProject([missing, throttled, created])).toEqual([throttled.bucket])
  })

  test('give back the tokens of all calls that were not made', () => {
    const unsent = { ...work('a'), refunds: ['its claim'] }
    const settlements = [unsent, trouble('a', 100), unsent, unsent].map((effect, n) =>
      settlement(String(n), effect),
    )
    expect(oneEffectPerProject(settlements)).toEqual([
      { ...trouble('a', 100), refunds: Array(3).fill('its claim') },
    ])
  })

  test('are counted by project', () => {
    const effects = [clear('a'), trouble('b', 100), null, work('c')]
    const settlements = effects.map((effect, n) => settlement(String(n), effect))
    expect(oneEffectPerProject(settlements)).toEqual([clear('a'), trouble('b', 100), work('c')])
  })
})
