import type { Logger } from 'pino'
import { buildBatchCreateBody } from '../attempt/create-body.ts'
import { MARKER_KEY, markerPlace } from '../attempt/marker.ts'
import { classifyOutcome, namedOthers, type Outcome } from '../attempt/outcome.ts'
import type { OutcomeRecorder } from '../attempt/outcome-recorder.ts'
import { type LookTimes, type OpenAttempt, settlementOf } from '../attempt/settlement.ts'
import { allowedSpreadMs, createArrivalGuard } from '../budget/arrival-guard.ts'
import { bucketEffect, NOT_SENDABLE } from '../budget/call-effect.ts'
import { createTightTokens, type TightToken } from '../budget/tight-tokens.ts'
import { bucketLimit, type CallLimit, creditBack } from '../budget/token-bucket.ts'
import { wakeProjects } from '../budget/wake-projects.sql.ts'
import type { CloudDcClient } from '../clouddc/client.ts'
import type { Database } from '../database/database.ts'
import { isTaken } from '../database/errors.ts'
import type { Replica } from '../replica/replica.ts'
import { startAge } from '../runtime/age.ts'
import { coerceError } from '../runtime/errors.ts'
import type { Quiet } from '../runtime/quiet.ts'
import { createLoop, type Loop } from '../runtime/run-loop.ts'
import { createSlots } from '../runtime/slots.ts'
import { reached } from '../runtime/steps.ts'
import { newUuid } from '../runtime/uuid.ts'
import type { Sealer } from '../secrets/seal.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { createCallLog } from './call-log.ts'
import { type ClaimedRequest, claimRequests } from './claim-requests.sql.ts'
import { createClaimRoom } from './claim-room.ts'
import { createUnansweredClaims } from './unanswered-claims.ts'

/** The most projects one claim serves. */
const MAX_PROJECTS = 200
/** Waits for tokens shorter than this are gathered into one claim, so that replicas do not race for each token. */
const GATHER_MS = 20
/** How long work that another replica took in may lie unnoticed. */
const IDLE_MS = 250
/** A replica that comes too late for tokens waits longer each time, so that the same one comes first the next time. */
const PATIENCE_STEP_MS = 10
const MAX_PATIENCE_MS = 150

export interface DispatcherOptions extends LookTimes {
  database: Database
  client: CloudDcClient
  sealer: Sealer
  replica: Replica
  /** Brings the buckets to the configured limits; called once, before the first claim. */
  syncLimits: () => Promise<void>
  recorder: OutcomeRecorder
  concurrency: number
  callTimeoutMs: number
  limitOf: (projectId: string) => CallLimit
  /** Whether a 429 slows the refill down. */
  adaptive?: boolean
  /** 0..1 of the call budget kept for readiness. */
  readinessShare: number
  metrics: Metrics
  logger: Logger
  quiet?: Quiet
}

interface Claim {
  request: ClaimedRequest
  replicaId: string
  /** Milliseconds since the claim was sent: no less than since the claim on the database's clock. */
  age: () => number
  /** Of a tight bucket, else null. */
  tightToken: TightToken | null
}

/**
 * Claims requests together with their tokens, calls batch-create, and records the outcomes. The claim is committed
 * before the call; the call is made only while the lease under which it was claimed surely holds.
 */
export function createDispatcher(options: DispatcherOptions): Loop {
  const { database, client, sealer, replica, recorder, concurrency, metrics, quiet, logger } = options
  const inHand = new Set<Promise<void>>()
  const slots = createSlots({ slots: concurrency, maxWaiting: Number.POSITIVE_INFINITY })
  const room = createClaimRoom({ concurrency })
  let unanswered = 0
  const arrivals = createArrivalGuard()
  const callLog = createCallLog({ logger })
  const tightTokens = createTightTokens({ database, quiet, logger, onNoted: () => loop.wake() })
  const unansweredClaims = createUnansweredClaims({
    database,
    holderId: replica.id,
    limitOf: options.limitOf,
    logger,
  })
  /** The room that is worth a claim while the last one has filled it all. */
  const worthClaiming = Math.ceil(concurrency / 2)
  let starved = false
  let emptyHanded = 0
  let limitsSynced = false

  /** Throws when the call must not be made any more; called in the instant before its first byte is written. */
  const refuseToSend = ({ request, replicaId, age, tightToken }: Claim): void => {
    if (!replica.holdsLease() || replica.id() !== replicaId)
      throw new NotSentError('the lease of the claim is lost')
    const ageMs = age()
    if (request.deadlineInMs !== null && ageMs >= request.deadlineInMs)
      throw new NotSentError('the deadline has passed')
    const spreadMs = allowedSpreadMs(request.tokens, options.limitOf(request.projectId))
    const inTime = tightToken?.admits(ageMs) ?? arrivals.admits({ ageMs, spreadMs })
    // A probe is alone: it may be as late as it likes, and must not be held back for ever by a way that has become slow.
    if (!inTime && !request.probing)
      throw new NotSentError(`held up for ${Math.round(ageMs)} ms, the token is stale`)
    tightToken?.written(age)
  }

  const send = async (claim: Claim): Promise<Outcome> => {
    const { request } = claim
    const body = buildBatchCreateBody(
      request.spec,
      sealer.open(request.sealedPassword, `${request.projectId}/${request.requestId}`),
      { key: MARKER_KEY, value: request.attemptId, place: markerPlace(request.spec) },
    )
    const evidence = await client.batchCreate({
      projectId: request.projectId,
      body,
      beforeWrite: () => {
        reached('dispatch.sending')
        refuseToSend(claim)
      },
    })
    return classifyOutcome(evidence, request)
  }

  const call = async (claim: Claim): Promise<Outcome> => {
    const startedAt = performance.now()
    const outcome = await send(claim).catch(unsent)
    const callMs = performance.now() - startedAt
    room.took(callMs)
    metrics.dispatch.callSeconds.observe({ outcome: outcome.class }, callMs / 1000)
    const reason = outcome.class === 'created' ? 'accepted' : outcome.reason
    metrics.dispatch.calls.inc({ outcome: outcome.class, reason })
    callLog.tell(claim.request.projectId, outcome)
    if (reason === 'throttled') metrics.dispatch.throttled.inc({ call: 'batch_create' })
    return outcome
  }

  const carryOut = async (claim: Claim): Promise<void> => {
    reached('dispatch.claimed')
    await claim.tightToken?.due(claim.age)
    const outcome = await slots.run(() => call(claim))
    unanswered -= 1
    metrics.dispatch.inFlight.set(unanswered)
    if (starved && freeRoom() >= worthClaiming) loop.wake()
    reached('dispatch.answered')
    await record(claim, outcome).catch((error: unknown) => {
      if (outcome.class !== 'created' || !isTaken(error)) throw error
      const { projectId, requestId, attemptId } = claim.request
      logger.error(
        { projectId, requestId, attemptId },
        'CloudDC answered with ids of instances of other requests',
      )
      return record(claim, namedOthers(outcome))
    })
    reached('dispatch.recorded')
  }

  const record = (claim: Claim, outcome: Outcome): Promise<boolean> =>
    recorder.record({
      projectId: claim.request.projectId,
      row: settlementOf(openAttempt(claim), outcome, options),
      bucket: bucketEffect(outcome, {
        ...claim.request,
        adaptive: options.adaptive ?? false,
        refund: refundOf(claim),
      }),
    })

  const refundOf = ({ request, age }: Claim): number => {
    const limit = bucketLimit(options.limitOf(request.projectId))
    return creditBack(request.tokens, limit, age() / 1000)
  }

  const freeRoom = () => room.free({ unanswered, unrecorded: inHand.size - unanswered })

  const loop = createLoop({
    name: 'dispatcher',
    logger,
    idleMs: IDLE_MS,
    gapMs: 3,
    runOnce: async () => {
      await unansweredClaims.putBack()
      const free = freeRoom()
      if (free <= 0 || !replica.holdsLease()) return { again: false }
      if (!limitsSynced) await options.syncLimits()
      limitsSynced = true
      const claimedAt = performance.now()
      const age = startAge()
      const replicaId = replica.id()
      const attemptIds = Array.from({ length: free }, () => newUuid())
      const { clockMs, requests, waitMs, asleep } = await claimRequests(database, {
        replicaId,
        attemptIds,
        maxProjects: MAX_PROJECTS,
        probeMs: options.callTimeoutMs + 5000,
        readinessShare: options.readinessShare,
      }).catch((error: unknown) => {
        unansweredClaims.add({ replicaId, attemptIds, claimedAt })
        throw error
      })
      const receivedAt = performance.now()
      tightTokens.answered({ sentAt: claimedAt, receivedAt, clockMs })
      metrics.dispatch.claimSeconds.observe((receivedAt - claimedAt) / 1000)
      metrics.dispatch.claimed.inc(requests.length)
      metrics.dispatch.tokensTaken.inc(requests.length)
      starved = requests.length === free
      unanswered += requests.length
      metrics.dispatch.inFlight.set(unanswered)
      for (const request of requests) {
        const tightToken = tightTokens.tokenOf(request, claimedAt)
        const carried = carryOut({ request, replicaId, age, tightToken })
          .catch((error: unknown) => {
            logger.error(
              { err: error, attemptId: request.attemptId },
              'outcome not recorded, left to be rescued',
            )
          })
          .finally(() => {
            inHand.delete(carried)
            if (starved && freeRoom() >= worthClaiming) loop.wake()
          })
        inHand.add(carried)
      }
      if ((await wakeProjects(database, asleep)).length > 0) return { again: true }
      emptyHanded = requests.length > 0 ? 0 : emptyHanded + 1
      if (starved || waitMs === null) return { again: false }
      const patienceMs = Math.min(MAX_PATIENCE_MS, emptyHanded * PATIENCE_STEP_MS) * Math.random()
      return { again: false, waitMs: Math.max(GATHER_MS, waitMs) + patienceMs }
    },
    onStop: async () => {
      await Promise.all(inHand)
      await tightTokens.drained()
    },
  })
  return loop
}

class NotSentError extends Error {}

/** A fault of our own before the client was called, such as a password that no configured key opens. */
function unsent(error: unknown): Outcome {
  return {
    class: 'not_created',
    reason: 'refused',
    code: NOT_SENDABLE,
    message: coerceError(error).message,
    httpStatus: null,
    retryAfterMs: null,
  }
}

function openAttempt({ request, replicaId }: Claim): OpenAttempt {
  const { name } = request.spec
  return { ...request, replicaId, from: 'in_flight', instanceName: typeof name === 'string' ? name : null }
}
