import { v7 as uuidv7 } from 'uuid'
import { beforeEach, describe, expect, test } from 'vitest'
import { sqlState } from '../../src/database/errors.ts'
import {
  isTerminal,
  NEXT_STATES,
  REQUEST_STATES,
  type RequestState,
} from '../../src/request/provision-request.ts'
import { insertBucketRow, insertPollRow, insertRequestRow } from '../support/request-rows.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'

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

  /** All that a change of state has to bring along, so that only the move itself can be refused. */
  const moveTo = (id: string, to: RequestState, from: RequestState | null) =>
    refusal(
      `UPDATE provision_request
       SET state = $2::request_state, previous_state = $3::request_state, retry_at = NULL, expires_at = NULL,
         queue_rank = CASE WHEN $2 = 'queued' THEN now() END,
         claim_id = CASE WHEN $2 = 'dispatching' THEN id END,
         sealed_password = CASE WHEN $2::text = ANY($4::text[]) THEN '\\x00'::bytea END,
         password_trace = NULL,
         dispatched_at = now(),
         completed_at = CASE WHEN $2::text = ANY($5::text[]) THEN now() END,
         exception_state = NULL
       WHERE id = $1::uuid`,
      id,
      to,
      from,
      ['queued', 'dispatching', 'uncertain'],
      REQUEST_STATES.filter(isTerminal),
    )

  test.each(REQUEST_STATES)(
    'that is %s moves as the table of moves says, and in no other way',
    async (from) => {
      for (const to of REQUEST_STATES) {
        const id = await placeIn(from)
        const expected = NEXT_STATES[from].includes(to) ? null : CHECK_VIOLATION
        expect([to, await moveTo(id, to, from)]).toEqual([to, expected])
      }
    },
  )

  test('cannot move without saying from where', async () => {
    for (const to of NEXT_STATES.queued) {
      const id = await placeIn('queued')
      expect([to, await moveTo(id, to, null)]).toEqual([to, CHECK_VIOLATION])
    }
  })

  /** A change of state alone, with all that belongs to it left as it was. */
  const changeState = (id: string, to: RequestState) =>
    refusal(
      'UPDATE provision_request SET previous_state = state, state = $2::request_state WHERE id = $1::uuid',
      id,
      to,
    )

  test.each(REQUEST_STATES.filter((state) => !isTerminal(state)))(
    'that is %s cannot end without the time of its end',
    async (from) => {
      const id = await placeIn(from)
      for (const to of NEXT_STATES[from].filter(isTerminal)) {
        expect([to, await changeState(id, to)]).toEqual([to, CHECK_VIOLATION])
      }
    },
  )

  test('in the queue cannot leave it without leaving its place', async () => {
    const id = await placeIn('queued')
    for (const to of NEXT_STATES.queued)
      expect([to, await changeState(id, to)]).toEqual([to, CHECK_VIOLATION])
  })

  test('outside the queue cannot have a place in it', async () => {
    for (const state of REQUEST_STATES.filter((state) => state !== 'queued')) {
      const id = await placeIn(state)
      for (const column of ['queue_rank', 'retry_at', 'expires_at']) {
        const taken = `UPDATE provision_request SET deadline = now(), ${column} = now() WHERE id = $1::uuid`
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
    ['expires without a deadline', 'expires_at = now()'],
    ['is claimed and not dispatching', 'claim_id = id'],
    ['has a count of instances that it does not name', 'created_count = 1'],
    ['names an instance that it does not count', `instance_ids = '{i-1}'`],
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

describe('an instance', () => {
  test.each([
    ['pending with the change that ended it', 'ended_version = 2'],
    ['pending with the time of its end', 'ended_at = now()'],
    ['running without a time', `state = 'running', ended_version = 2, ended_at = now()`],
    ['running without the change that counted it', `state = 'running', running_at = now(), ended_at = now()`],
    ['running without the time of its end', `state = 'running', running_at = now(), ended_version = 2`],
    ['failed without the change that counted it', `state = 'failed', ended_at = now()`],
    [
      'failed with a time of running',
      `state = 'failed', ended_version = 2, ended_at = now(), running_at = now()`,
    ],
  ])('is refused that is %s', async (_, change) => {
    await insertRequestRow(database, { state: 'provisioning', instances: [{ id: 'i-1', state: 'pending' }] })
    expect(await refusal(`UPDATE instance SET ${change}`)).toBe(CHECK_VIOLATION)
  })
})

test.each([0, 101])('a poll of %i instances is refused', async (count) => {
  const instanceIds = Array.from({ length: count }, (_, n) => `i-${n}`)
  await expect(insertPollRow(database, { instanceIds, dueAt: new Date() })).rejects.toSatisfy(
    (error) => sqlState(error) === CHECK_VIOLATION,
  )
})

describe('a segment of the outbox', () => {
  test.each([
    ['nothing', null, null],
    ['two kinds of content', '["x",1]', '[]'],
  ])('is refused that holds %s', async (_, refs, rejections) => {
    const insert = 'INSERT INTO outbox_segment (refs, rejections) VALUES ($1, $2)'
    expect(await refusal(insert, refs, rejections)).toBe(CHECK_VIOLATION)
  })
})

test('the installation has its name from the first migration on', async () => {
  const installations = await database.prisma.installation.findMany()
  expect(installations).toEqual([{ id: expect.stringMatching(/^[a-z0-9]{8}$/) }])
  expect(await refusal(`INSERT INTO installation (id) VALUES ('Upper-01')`)).toBe(CHECK_VIOLATION)
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
