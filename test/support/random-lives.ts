import fc from 'fast-check'
import { v7 as uuidv7 } from 'uuid'
import { addInstances } from '../../src/attempt/add-instances.sql.ts'
import { lockDoubt } from '../../src/attempt/find-doubt.sql.ts'
import type { Outcome } from '../../src/attempt/outcome.ts'
import { settleAttempts } from '../../src/attempt/settle-attempts.sql.ts'
import { adoptionOf, voidOf } from '../../src/attempt/verdict-settlement.ts'
import type { Database } from '../../src/database/database.ts'
import { findPending } from '../../src/readiness/find-pending.sql.ts'
import { recordObservations } from '../../src/readiness/record-observations.sql.ts'
import { requestChange } from '../../src/readiness/request-change.ts'
import { changeRequests } from '../../src/request/change-requests.sql.ts'
import {
  type Claimed,
  claim,
  POLL_TIMES,
  placeRequests,
  settlementFor,
} from '../integration/statement-world.ts'

/** Takes a value of an arbitrary, as fc.gen() does. */
export type Draw = fc.GeneratorValue

const RULES = { settleMs: 100, maxAttempts: 3 }
const text = () => fc.string({ unit: 'binary', maxLength: 20 })
const optionalText = () => fc.option(text())
const oneOf = <T>(...values: T[]) => fc.constantFrom(...values)

/** Makes so many requests live for some steps, each through the statements of the service, as `draw` decides. */
export async function liveAtRandom(
  database: Database,
  { requests, steps }: { requests: number; steps: number },
  draw: Draw,
): Promise<void> {
  for (let n = 0; n < requests; n += 1) {
    const tracing = draw(() => fc.boolean())
    await placeRequests(database, {
      projectId: `p-${draw(() => oneOf('a', 'b'))}`,
      maxCount: draw(() => fc.integer({ min: 1, max: 4 })),
      limit: { perSecond: 1000, burst: 1000 },
      ...(tracing ? { correlationId: 'c-ä', traceparent: '00-a-b-01', tracestate: 'a=1' } : {}),
    })
  }
  for (let n = 0; n < steps; n += 1) {
    for (const request of await database.prisma.provisionRequest.findMany()) {
      const { id, version, state, projectId, requestId, attemptNumber, maxCount } = request
      if (state === 'queued' && draw(() => fc.nat(9)) === 0) {
        const to = draw(() => oneOf('cancelled' as const, 'expired' as const))
        const error = to === 'expired' ? { error: { code: 'deadline_passed', message: draw(text) } } : {}
        await changeRequests(database, [{ id, version, to, change: { cause: to, ...error } }])
      } else if (state === 'uncertain') {
        const doubt = await lockDoubt(database, { projectId, requestId })
        if (doubt === null) throw new Error('there is no doubt')
        const evidence = { found: draw(text) }
        const instanceIds = newIds(draw(() => fc.integer({ min: 1, max: maxCount })))
        const isAdopted = draw(() => fc.boolean())
        const row = isAdopted
          ? adoptionOf(doubt, { instanceIds, evidence }, RULES)
          : voidOf(doubt, { evidence }, RULES)
        await settleAttempts(database, [row], POLL_TIMES)
      } else if (attemptNumber > 0 && state !== 'queued' && draw(() => fc.nat(9)) === 0) {
        const instanceIds = newIds(draw(() => fc.nat(2)))
        const instances = instanceIds.length > 0 ? { instances: instanceIds } : {}
        const change = { cause: 'unexpected_instances', attempt: 1, ...instances }
        await addInstances(database, [{ id, version, attempt: 1, change, instanceIds }], POLL_TIMES)
      }
    }
    await endInstances(database, draw)
    await dispatch(database, draw)
  }
}

function newIds(count: number): string[] {
  return Array.from({ length: count }, () => `i-${uuidv7()}`)
}

/** Claims what is queued, retries included, and settles it. */
async function dispatch(database: Database, draw: Draw): Promise<void> {
  await database.query(
    `UPDATE provision_request SET retry_at = NULL, queue_rank = now() WHERE state = 'queued' AND retry_at IS NOT NULL`,
  )
  await database.query(
    'UPDATE rate_bucket SET tokens = capacity, due_at = now(), blocked_until = NULL, blocked_reason = NULL',
  )
  const { requests, claimId } = await claim(database, { slots: 100 })
  const rows = requests.map((request) => {
    const claimed: Claimed = { ...request, claimId }
    return settlementFor(
      claimed,
      draw(() => outcomes(claimed)),
    )
  })
  await settleAttempts(database, rows, POLL_TIMES, [claimId])
}

/** A long message makes a history outgrow its row soon. */
const messages = () => oneOf('no', 'x'.repeat(5000), 'y'.repeat(9000))

function outcomes({ minCount, maxCount }: Claimed): fc.Arbitrary<Outcome> {
  const created = fc
    .integer({ min: minCount, max: maxCount })
    .map((count) => ({ class: 'created' as const, instanceIds: newIds(count), httpStatus: 202 }))
  const notCreated = fc.record({
    class: fc.constant('not_created' as const),
    reason: oneOf('refused' as const, 'throttled' as const, 'throttled' as const, 'throttled' as const),
    code: text(),
    message: messages(),
    httpStatus: fc.constant(429),
    retryAfterMs: fc.constant(null),
  })
  const unknown = fc.record({
    class: fc.constant('unknown' as const),
    reason: oneOf('timeout' as const, 'server_error' as const),
    code: text(),
    message: messages(),
    httpStatus: fc.option(fc.constant(500)),
  })
  return fc.oneof(created, notCreated, notCreated, unknown)
}

/** Some of the pending instances of each request end, some of them in one statement. */
async function endInstances(database: Database, draw: Draw): Promise<void> {
  const pending = await database.prisma.instance.findMany({ where: { state: 'pending' } })
  const known = await findPending(database, pending)
  const byRequest = Map.groupBy(known, (one) => one.provisionRequestId)
  const ending = [...byRequest.values()].flatMap((own) => {
    const ended = own
      .filter(() => draw(() => fc.boolean()))
      .map((one) => ({
        ...one,
        state: draw(() => oneOf('running' as const, 'running' as const, 'failed' as const)),
      }))
    return ended.length === 0 ? [] : [ended]
  })
  const instances = ending.flat().map(({ projectId, id, provisionRequestId, state }) => {
    const failed = state === 'failed'
    return {
      ...{ projectId, id, provisionRequestId, state },
      ran: !failed,
      name: draw(optionalText),
      serverId: draw(optionalText),
      imageId: draw(optionalText),
      networkInterfaces: draw(() => fc.option(fc.array(networkInterface(), { maxLength: 2 }))),
      upstreamState: state,
      errorCode: failed ? draw(text) : null,
      errorMessage: failed ? draw(optionalText) : null,
    }
  })
  const rows = { polls: [], requests: ending.map(requestChange), instances }
  await recordObservations(database, rows, { waitingPollMs: 1000, serverWaitMs: 60_000 })
}

function networkInterface() {
  return fc.record({ subnet_id: optionalText(), ipv4_address: optionalText() })
}
