import { describe, expect, test } from 'vitest'
import { buildBatchCreateBody } from '../../src/attempt/create-body.ts'
import type { NamedRequest } from '../../src/attempt/find-unexpected.sql.ts'
import { attemptMarker, MARKER_KEY } from '../../src/attempt/marker.ts'
import { markedInstances, unexpectedOf } from '../../src/attempt/unexpected.ts'
import type { UpstreamInstance } from '../../src/clouddc/wire.ts'
import type { AttemptOutcome, HistoryEntry } from '../../src/request/history.ts'

const INSTALLATION = 'ab12cd34'
const ID = '0198170e-4ca7-7ee4-89a7-fa631843920b'
const SPEC = { name: 'web', image_id: 'i', vpc_id: 'v', network_interfaces: [], min_count: 1, max_count: 3 }

const markerOf = (attempt: number, { id = ID, installation = INSTALLATION } = {}) =>
  attemptMarker({ provisionRequestId: id, attempt, installation, requestId: 'r' })

/** An instance that an attempt of a request has made. */
function made(
  id: string,
  attempt: number,
  spec: object = SPEC,
  of: { id?: string; installation?: string } = {},
) {
  const body = JSON.parse(buildBatchCreateBody({ ...spec }, 'Passw0rd!', markerOf(attempt, of)))
  return { id, metadata: body.metadata ?? {}, description: body.description ?? null } as UpstreamInstance
}

const settled = (attempt: number, outcome: AttemptOutcome): HistoryEntry => ({
  ...{ v: attempt * 3, at: 0, cause: outcome, attempt, outcome },
})

function look(
  instances: readonly UpstreamInstance[],
  history: HistoryEntry[],
  changes: Partial<NamedRequest> = {},
) {
  const request: NamedRequest = {
    ...{ id: ID, projectId: 'p', requestId: 'r', state: 'running', version: 9 },
    ...{ createdCount: 1, maxCount: 3, spec: JSON.stringify(SPEC), absentCount: 0 },
    history: history.map((entry) => `${JSON.stringify(entry)}\n`),
    instanceIds: instances.map(({ id }) => id),
    ...changes,
  }
  return unexpectedOf(request, new Map(instances.map((one) => [one.id, one])), INSTALLATION)
}

describe('an instance without a row', () => {
  test.each<AttemptOutcome>(['created', 'adopted'])(
    'belongs to the request when its attempt was %s',
    (outcome) => {
      expect(look([made('a', 1), made('b', 1)], [settled(1, outcome)])).toMatchObject({
        row: {
          ...{ id: ID, version: 9, attempt: 1, instanceIds: ['a', 'b'] },
          change: {
            cause: 'unexpected_instances',
            attempt: 1,
            instances: ['a', 'b'],
            evidence: { unexpected: ['a', 'b'] },
          },
        },
        isDuplicate: false,
      })
    },
  )

  test.each<AttemptOutcome>(['void', 'not_created'])('is only told of when its attempt was %s', (outcome) => {
    const found = look([made('a', 1)], [settled(1, outcome)])
    expect(found).toMatchObject({ row: { instanceIds: [] }, outcome, isDuplicate: true })
    expect(found?.row.change).toEqual({
      cause: 'unexpected_instances',
      attempt: 1,
      evidence: { unexpected: ['a'] },
    })
  })

  test('is nothing special while its attempt is in flight or in doubt', () => {
    expect(look([made('a', 1)], [])).toBeNull()
    expect(look([made('a', 1)], [settled(1, 'uncertain')])).toBeNull()
  })

  test('is told of once, and what was told before is kept', () => {
    const told = { v: 8, at: 0, cause: 'unexpected_instances', attempt: 1, evidence: { unexpected: ['a'] } }
    expect(look([made('a', 1)], [settled(1, 'void'), told])).toBeNull()
    const more = look([made('a', 1), made('b', 1)], [settled(1, 'void'), told])
    expect(more).toMatchObject({
      instanceIds: ['b'],
      row: { change: { evidence: { unexpected: ['a', 'b'] } } },
    })
  })

  test('comes with those of the same attempt, one attempt at a time', () => {
    const history = [settled(1, 'uncertain'), settled(1, 'void'), settled(2, 'created')]
    expect(look([made('b', 2), made('a', 1)], history)).toMatchObject({
      row: { attempt: 1 },
      instanceIds: ['a'],
    })
    expect(look([made('b', 2)], history)).toMatchObject({ row: { attempt: 2, instanceIds: ['b'] } })
  })

  test('is a duplicate when there are more than were ordered, but for those that do not exist', () => {
    const full = { createdCount: 3, maxCount: 3 }
    expect(look([made('a', 1)], [settled(1, 'created')], full)?.isDuplicate).toBe(true)
    expect(look([made('a', 1)], [settled(1, 'created')], { ...full, absentCount: 1 })?.isDuplicate).toBe(
      false,
    )
  })

  test('is not the one of another order whose sender has copied the marker', () => {
    const metadata = { [MARKER_KEY]: markerOf(1).whole }
    const theirs = made('a', 1, { ...SPEC, metadata }, { id: '0198170e-4ca7-7ee4-89a7-fa6318439999' })
    expect(look([theirs], [settled(1, 'created')])).toBeNull()
  })
})

test('only markers of this installation, and short ones, are asked about', () => {
  const full = { ...SPEC, metadata: Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`k${n}`, ''])) }
  const instances = [
    made('own', 1),
    made('foreign', 1, SPEC, { installation: 'zz99zz99' }),
    made('short', 2, { ...full, description: 'x'.repeat(190) }),
  ]
  expect(markedInstances(instances, INSTALLATION)).toEqual([
    { instanceId: 'own', id: ID, attempt: 1, requestId: 'r' },
    { instanceId: 'short', id: ID, attempt: 2, requestId: null },
  ])
})
