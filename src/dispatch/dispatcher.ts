import type { Logger } from 'pino'
import { namedOthers, type Outcome } from '../attempt/outcome.ts'
import type { OutcomeRecorder } from '../attempt/outcome-recorder.ts'
import { type LookTimes, type OpenAttempt, settlementOf } from '../attempt/settlement.ts'
import { createArrivalGuard } from '../budget/arrival-guard.ts'
import { bucketEffect } from '../budget/call-effect.ts'
import { createTightTokens, type TightTokens } from '../budget/tight-tokens.ts'
import { bucketLimit, type CallLimit, creditBack } from '../budget/token-bucket.ts'
import { wakeProjects } from '../budget/wake-projects.sql.ts'
import type { CloudDcClient } from '../clouddc/client.ts'
import type { Database } from '../database/database.ts'
import { isTaken } from '../database/errors.ts'
import type { Replica } from '../replica/replica.ts'
import { startAge } from '../runtime/age.ts'
import type { Quiet } from '../runtime/quiet.ts'
import { createLoop, type Loop, type RunResult } from '../runtime/run-loop.ts'
import { createSlots, type Slots } from '../runtime/slots.ts'
import { reached } from '../runtime/steps.ts'
import { newUuid } from '../runtime/uuid.ts'
import type { Sealer } from '../secrets/seal.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type CallContext, type Claim, callBatchCreate } from './batch-create-call.ts'
import { createCallLog } from './call-log.ts'
import { type ClaimPace, createClaimPace } from './claim-pace.ts'
import { claimRequests } from './claim-requests.sql.ts'
import { createUnansweredClaims, type UnansweredClaims } from './unanswered-claims.ts'

/** The most projects one claim serves. */
const MAX_PROJECTS = 200
/** How long work that another replica stored may go unnoticed. */
const IDLE_MS = 250

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

interface DispatchContext extends DispatcherOptions, CallContext {
  client: CloudDcClient
  pace: ClaimPace
  /** For the calls that may be in flight at once. */
  slots: Slots
  tightTokens: TightTokens
  unansweredClaims: UnansweredClaims
  /** Claims whose outcome is not recorded yet. */
  inHand: Set<Promise<void>>
}

/**
 * Claims requests together with their tokens, calls batch-create, and records the outcomes. The claim is committed
 * before the call; the call is made only while the lease under which it was claimed surely holds.
 */
export function createDispatcher(options: DispatcherOptions): Loop {
  const { database, replica, limitOf, concurrency, metrics, quiet, logger } = options
  let limitsSynced = false
  const context: DispatchContext = {
    ...options,
    syncLimits: async () => {
      if (!limitsSynced) await options.syncLimits()
      limitsSynced = true
    },
    pace: createClaimPace({
      concurrency,
      onRoom: () => loop.wake(),
      onInFlight: (calls) => metrics.dispatch.inFlight.set(calls),
    }),
    slots: createSlots({ slots: concurrency, maxWaiting: Number.POSITIVE_INFINITY }),
    arrivals: createArrivalGuard(),
    callLog: createCallLog({ logger }),
    tightTokens: createTightTokens({ database, quiet, logger, onNoted: () => loop.wake() }),
    unansweredClaims: createUnansweredClaims({ database, holderId: replica.id, limitOf, logger }),
    inHand: new Set(),
  }
  const loop = createLoop({
    name: 'dispatcher',
    logger,
    idleMs: IDLE_MS,
    gapMs: 3,
    runOnce: () => claimOnce(context),
    onStop: async () => {
      await Promise.all(context.inHand)
      await context.tightTokens.drained()
    },
  })
  return loop
}

/** Claims what there is room and tokens for, and starts the calls. */
async function claimOnce(context: DispatchContext): Promise<RunResult> {
  const { database, replica, pace, unansweredClaims } = context
  await unansweredClaims.putBack()
  const asked = pace.room()
  if (asked <= 0 || !replica.holdsLease()) return { again: false }
  await context.syncLimits()
  const { claims, tokenInMs, asleep } = await claim(context, asked)
  const got = claims.length
  pace.claimed({ asked, got })
  for (const claimed of claims) setGoing(context, claimed)
  if ((await wakeProjects(database, asleep)).length > 0) return { again: true }
  return pace.next({ got, tokenInMs })
}

async function claim(context: DispatchContext, asked: number) {
  const { database, replica, tightTokens, unansweredClaims, metrics } = context
  const claimedAt = performance.now()
  const age = startAge()
  const replicaId = replica.id()
  const attemptIds = Array.from({ length: asked }, () => newUuid())
  const { clockMs, requests, waitMs, asleep } = await claimRequests(database, {
    replicaId,
    attemptIds,
    maxProjects: MAX_PROJECTS,
    probeMs: context.callTimeoutMs + 5000,
    readinessShare: context.readinessShare,
  }).catch((error: unknown) => {
    unansweredClaims.add({ replicaId, attemptIds, claimedAt })
    throw error
  })
  const receivedAt = performance.now()
  tightTokens.answered({ sentAt: claimedAt, receivedAt, clockMs })
  metrics.dispatch.claimSeconds.observe((receivedAt - claimedAt) / 1000)
  metrics.dispatch.claimed.inc(requests.length)
  metrics.dispatch.tokensTaken.inc(requests.length)
  const claims = requests.map(
    (request): Claim => ({ request, replicaId, age, tightToken: tightTokens.tokenOf(request, claimedAt) }),
  )
  return { claims, tokenInMs: waitMs, asleep }
}

function setGoing(context: DispatchContext, claim: Claim): void {
  const { inHand, pace, logger } = context
  const carried = carryOut(context, claim)
    .catch((error: unknown) => {
      const { attemptId } = claim.request
      logger.error({ err: error, attemptId }, 'outcome not recorded, left to be rescued')
    })
    .finally(() => {
      inHand.delete(carried)
      pace.recorded()
    })
  inHand.add(carried)
}

async function carryOut(context: DispatchContext, claim: Claim): Promise<void> {
  reached('dispatch.claimed')
  await claim.tightToken?.due(claim.age)
  const { outcome, callMs } = await context.slots.run(() => callBatchCreate(context, claim))
  context.pace.answered(callMs)
  reached('dispatch.answered')
  await record(context, claim, outcome)
  reached('dispatch.recorded')
}

/** Records the outcome with its events; as unknown, where the ids it names belong to instances of other requests. */
async function record(context: DispatchContext, claim: Claim, outcome: Outcome): Promise<void> {
  try {
    await context.recorder.record(settlementFor(context, claim, outcome))
  } catch (error) {
    if (outcome.class !== 'created' || !isTaken(error)) throw error
    const { projectId, requestId, attemptId } = claim.request
    context.logger.error(
      { projectId, requestId, attemptId },
      'CloudDC answered with ids of instances of other requests',
    )
    await context.recorder.record(settlementFor(context, claim, namedOthers(outcome)))
  }
}

function settlementFor(context: DispatchContext, { request, replicaId, age }: Claim, outcome: Outcome) {
  const { name } = request.spec
  const attempt: OpenAttempt = {
    ...request,
    replicaId,
    from: 'in_flight',
    instanceName: typeof name === 'string' ? name : null,
  }
  const limit = bucketLimit(context.limitOf(request.projectId))
  return {
    projectId: request.projectId,
    row: settlementOf(attempt, outcome, context),
    bucket: bucketEffect(outcome, {
      ...request,
      adaptive: context.adaptive ?? false,
      refund: creditBack(request.tokens, limit, age() / 1000),
    }),
  }
}
