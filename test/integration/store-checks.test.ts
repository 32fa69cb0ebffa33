import { v7 as uuidv7 } from 'uuid'
import { beforeEach, describe, expect, test } from 'vitest'
import { sqlState } from '../../src/database/errors.ts'
import { isTerminal, REQUEST_STATES, type RequestState } from '../../src/request/provision-request.ts'
import { clearTables, useTestDatabase } from '../support/reconcile-world.ts'
import { insertAttemptRow, insertBucketRow, insertRequestRow } from '../support/request-rows.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const CHECK_VIOLATION = '23514'
const UNIQUE_VIOLATION = '23505'

/** The SQLSTATE with which the database refuses the statement, or null where it takes it. */
async function refusal(text: string, ...values: unknown[]): Promise<string | null | undefined> {
  try {
    await database.query(text, ...values)
    return null
  } catch (error) {
    return sqlState(error)
  }
}

const placeIn = (state: RequestState) =>
  insertRequestRow(database, {
    state,
    ...(['provisioning', 'running', 'partially_running'].includes(state)
      ? { instances: [{ id: `i-${uuidv7()}`, state: 'pending' as const }] }
      : {}),
  })

describe('a request', () => {
  test.each(REQUEST_STATES)('can stand as %s', async (state) => {
    const id = await placeIn(state)
    expect(await database.prisma.provisionRequest.count({ where: { id, state } })).toBe(1)
  })

  /** A change of state alone, with all that belongs to it left as it was. */
  const changeState = (id: string, to: RequestState) =>
    refusal('UPDATE provision_request SET state = $2::request_state WHERE id = $1::uuid', id, to)

  test.each(REQUEST_STATES.filter(isTerminal))('that is %s cannot come back to life', async (from) => {
    const id = await placeIn(from)
    for (const to of REQUEST_STATES.filter((state) => !isTerminal(state))) {
      expect([to, await changeState(id, to)]).toEqual([to, CHECK_VIOLATION])
    }
  })

  test.each(REQUEST_STATES.filter((state) => !isTerminal(state)))(
    'that is %s cannot end without the time of its end',
    async (from) => {
      const id = await placeIn(from)
      for (const to of REQUEST_STATES.filter(isTerminal)) {
        expect([to, await changeState(id, to)]).toEqual([to, CHECK_VIOLATION])
      }
    },
  )

  test('in the queue cannot leave it without leaving its place', async () => {
    const id = await placeIn('queued')
    for (const to of ['dispatching', 'uncertain', 'provisioning'] as const) {
      expect(await changeState(id, to)).toBe(CHECK_VIOLATION)
    }
  })

  test('outside the queue cannot have a place in it', async () => {
    for (const state of REQUEST_STATES.filter((state) => state !== 'queued')) {
      const id = await placeIn(state)
      // Without an instance to wait for, it has an end to wait for.
      const created = state === 'provisioning' ? 'created_count = 1, ' : ''
      for (const column of ['queue_rank', 'retry_at', 'expires_at']) {
        const taken = `UPDATE provision_request SET ${created}deadline = now(), ${column} = now() WHERE id = $1::uuid`
        expect([state, column, await refusal(taken, id)]).toEqual([state, column, CHECK_VIOLATION])
      }
    }
  })

  test('whose servers were created cannot have a password any more, and others need theirs', async () => {
    for (const state of REQUEST_STATES) {
      const id = await placeIn(state)
      const sealed = ['queued', 'dispatching', 'uncertain'].includes(state) ? 'NULL' : `'\\x00'`
      const statement = `UPDATE provision_request SET sealed_password = ${sealed} WHERE id = $1::uuid`
      expect([state, await refusal(statement, id)]).toEqual([state, CHECK_VIOLATION])
    }
  })

  test.each([
    ['waits in the queue and for a retry', 'retry_at = now()'],
    ['expires at another time than its deadline', `deadline = now(), expires_at = now() + interval '1 hour'`],
    ['wants none', 'min_count = 0'],
    ['wants more at least than at most', 'min_count = 2, max_count = 1'],
    ['has more that ended than were created', 'running_count = 1'],
    ['has a negative count', 'failed_count = -1'],
    ['has an error without a time', `error_code = 'x'`],
    ['is listed under another state', `exception_state = 'failed'`],
  ])('is refused that %s', async (_, change) => {
    const id = await placeIn('queued')
    expect(await refusal(`UPDATE provision_request SET ${change} WHERE id = $1::uuid`, id)).toBe(
      CHECK_VIOLATION,
    )
  })

  test('cannot have a second of its key', async () => {
    await insertRequestRow(database, { projectId: 'p', requestId: 'one' })
    await expect(insertRequestRow(database, { projectId: 'p', requestId: 'one' })).rejects.toSatisfy(
      (error) => sqlState(error) === UNIQUE_VIOLATION,
    )
    await insertRequestRow(database, { projectId: 'q', requestId: 'one' })
  })
})

describe('an attempt', () => {
  test('whose outcome is open keeps the request from a second one', async () => {
    const requestRow = await placeIn('uncertain')
    await insertAttemptRow(database, { requestRow, number: 1, state: 'uncertain', reconcileAt: new Date() })
    const second = refusal(
      `INSERT INTO attempt (id, provision_request_id, project_id, number, state, replica_id, started_at)
       VALUES ($1::uuid, $2::uuid, 'p', 2, 'in_flight', $1::uuid, now())`,
      uuidv7(),
      requestRow,
    )
    expect(await second).toBe(UNIQUE_VIOLATION)
  })

  test('that has ended lets another follow', async () => {
    const requestRow = await placeIn('queued')
    await insertAttemptRow(database, { requestRow, number: 1, state: 'not_created' })
    await insertAttemptRow(database, { requestRow, number: 2, state: 'void' })
    await expect(insertAttemptRow(database, { requestRow, number: 2 })).rejects.toThrow()
  })

  test.each([
    ['in flight under nobody', `state = 'in_flight', finished_at = NULL`],
    ['in somebody’s hands without being in flight', `replica_id = id`],
    [
      'uncertain without a time to look again',
      `state = 'uncertain', finished_at = NULL, uncertain_at = now()`,
    ],
    ['ended with a look ahead', 'reconcile_at = now()'],
    ['ended without a time', 'finished_at = NULL'],
    ['adopted without ever having been uncertain', `state = 'adopted'`],
  ])('is refused that is %s', async (_, change) => {
    const requestRow = await placeIn('queued')
    const id = await insertAttemptRow(database, { requestRow })
    expect(await refusal(`UPDATE attempt SET ${change} WHERE id = $1::uuid`, id)).toBe(CHECK_VIOLATION)
  })
})

describe('an instance', () => {
  test.each([
    ['pending without a poll ahead', 'next_poll_at = NULL'],
    ['running without a time', `state = 'running', next_poll_at = NULL`],
    ['running and still polled', `state = 'running', running_at = now()`],
    ['failed without a time', `state = 'failed', next_poll_at = NULL`],
    [
      'failed with a time of running',
      `state = 'failed', failed_at = now(), next_poll_at = NULL, running_at = now()`,
    ],
  ])('is refused that is %s', async (_, change) => {
    await insertRequestRow(database, { state: 'provisioning', instances: [{ id: 'i-1', state: 'pending' }] })
    expect(await refusal(`UPDATE instance SET ${change}`)).toBe(CHECK_VIOLATION)
  })
})

describe('a bucket', () => {
  test.each([
    ['holds more than its capacity', 'tokens = capacity + 1'],
    ['owes tokens', 'tokens = -0.5'],
    ['never fills', 'refill_per_second = 0'],
    ['has no room for one token', 'capacity = 0.5, tokens = 0'],
    ['runs faster than its limit', 'rate_factor = 1.1'],
    ['lends more than one call to readiness', 'poll_credit = 1.5'],
    ['is closed without a reason', 'blocked_until = now()'],
    ['has a reason to be closed and is open', `blocked_reason = 'throttled'`],
  ])('is refused that %s', async (_, change) => {
    await insertBucketRow(database, {})
    expect(await refusal(`UPDATE rate_bucket SET ${change}`)).toBe(CHECK_VIOLATION)
  })
})
