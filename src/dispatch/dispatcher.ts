import type { Logger } from 'pino'
import type { Installation } from '../attempt/installation.ts'
import type { OpenClaim } from '../attempt/outcome-recorder.ts'
import { createLateness } from '../budget/lateness.ts'
import { NO_CREDENTIALS, type PayingCredentials } from '../budget/paying-credentials.ts'
import { createTightTokens, type TightTokens } from '../budget/tight-tokens.ts'
import { wakeProjects } from '../budget/wake-projects.sql.ts'
import type { CloudDcClient } from '../clouddc/client.ts'
import type { Database } from '../database/database.ts'
import type { Replica } from '../replica/replica.ts'
import { startAge } from '../runtime/age.ts'
import type { Quiet } from '../runtime/quiet.ts'
import { asIfAlone, createLoop, type IdleMs, type Loop, type RunResult } from '../runtime/run-loop.ts'
import { reached } from '../runtime/steps.ts'
import { newUuid } from '../runtime/uuid.ts'
import type { Sealer } from '../secrets/seal.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type CallContext, type ClaimedCall, callBatchCreate } from './batch-create-call.ts'
import { createCallLog } from './call-log.ts'
import { type ClaimPace, createClaimPace } from './claim-pace.ts'
import { claimRequests } from './claim-requests.sql.ts'
import { namesOf, type RecordContext, recordOutcome } from './record-outcome.ts'
import { createUnansweredClaims, type UnansweredClaims } from './unanswered-claims.ts'

/** The most projects one claim serves. */
const MAX_PROJECTS = 200
/** The longest wait for room and tokens; and for work of other replicas, where these are not heard. */
const IDLE_MS = 250

export interface DispatcherOptions extends RecordContext {
  database: Database
  client: CloudDcClient
  sealer: Sealer
  replica: Replica
  /** Brings the buckets to the limits in force; called before each claim, so for itself it does so only when needed. */
  syncLimits: () => Promise<void>
  /** Told with each claim when the next limit or pause ends by itself; null where none does. */
  onChangesIn?: (ms: number | null) => void
  installation: Installation
  credentials?: PayingCredentials
  concurrency: number
  callTimeoutMs: number
  /** 0..1 of the call budget kept for readiness. */
  readinessShare: number
  idleMs?: IdleMs
  /** Whether requests go only by a reading of their project's ready servers. */
  preflight?: boolean
  /** Such a reading is wanted. */
  onWantsReading?: () => void
  /** A claim got all it asked for, so there may be more than this replica takes. */
  onSurplus?: () => void
  metrics: Metrics
  logger: Logger
  quiet?: Quiet
}

interface DispatchContext extends DispatcherOptions, CallContext {
  client: CloudDcClient
  credentials: PayingCredentials
  pace: ClaimPace
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
  const { database, replica, concurrency, idleMs = asIfAlone, metrics, quiet, logger } = options
  const context: DispatchContext = {
    ...options,
    credentials: options.credentials ?? NO_CREDENTIALS,
    pace: createClaimPace({
      concurrency,
      onRoom: (inMs) => loop.wake(inMs),
      onInFlight: (calls) => metrics.dispatch.inFlight.set(calls),
    }),
    lateness: createLateness(),
    callLog: createCallLog({ logger }),
    tightTokens: createTightTokens({ database, quiet, logger, onNoted: () => loop.wake() }),
    unansweredClaims: createUnansweredClaims({
      database,
      holderId: replica.id,
      credentials: options.credentials ?? NO_CREDENTIALS,
      logger,
    }),
    inHand: new Set(),
  }
  const loop = createLoop({
    name: 'dispatcher',
    logger,
    idleMs: () => idleMs(IDLE_MS),
    gapMs: 3,
    runOnce: () => claimOnce(context),
    onStop: async () => {
      await Promise.all(context.inHand)
      await Promise.all([context.tightTokens.drained(), context.credentials.drained()])
    },
  })
  return loop
}

/** Claims what there is room and tokens for, and starts the calls. */
async function claimOnce(context: DispatchContext): Promise<RunResult> {
  const { database, replica, pace, unansweredClaims } = context
  await unansweredClaims.putBack()
  const asked = pace.room()
  if (asked <= 0 || !replica.holdsLease()) return { again: false, waitMs: IDLE_MS }
  await context.syncLimits()
  const installation = await context.installation()
  const { calls, tokenInMs, changesInMs, asleep, wantsReading } = await claim(context, asked, installation)
  context.onChangesIn?.(changesInMs)
  const got = calls.length
  pace.claimed({ asked, got })
  if (wantsReading) context.onWantsReading?.()
  for (const call of calls) setGoing(context, call)
  if ((await wakeProjects(database, asleep)).length > 0) return { again: true }
  if (got === asked) context.onSurplus?.()
  const next = pace.next({ got, tokenInMs })
  const isAllTaken = got < asked && tokenInMs === null && !unansweredClaims.any()
  if (next.again) return next
  const mostMs = isAllTaken ? Number.POSITIVE_INFINITY : IDLE_MS
  return { again: false, waitMs: Math.min(next.waitMs ?? mostMs, mostMs, Math.max(1, changesInMs ?? mostMs)) }
}

async function claim(context: DispatchContext, slots: number, installation: string) {
  const { database, replica, tightTokens, unansweredClaims, metrics } = context
  const claimedAt = performance.now()
  const age = startAge()
  const replicaId = replica.id()
  const claimId = newUuid()
  const { clockMs, requests, waitMs, changesInMs, asleep, wantsReading } = await claimRequests(database, {
    replicaId,
    claimId,
    slots,
    maxProjects: MAX_PROJECTS,
    probeMs: context.callTimeoutMs + 5000,
    readinessShare: context.readinessShare,
    lateMs: context.lateness.usualMs(),
    preflight: context.preflight ?? false,
  }).catch((error: unknown) => {
    unansweredClaims.add({ replicaId, claimId })
    throw error
  })
  const receivedAt = performance.now()
  tightTokens.answered({ sentAt: claimedAt, receivedAt, clockMs })
  metrics.dispatch.claimSeconds.observe((receivedAt - claimedAt) / 1000)
  metrics.dispatch.claimed.inc(requests.length)
  metrics.dispatch.tokensTaken.inc(requests.length)
  const claim: OpenClaim = { id: claimId, unsettled: requests.length }
  const calls = requests.map(
    (request): ClaimedCall => ({
      request,
      claim,
      replicaId,
      installation,
      age,
      tightToken: tightTokens.tokenOf({ ...request, payment: claimId }, { age, claimedAt }),
    }),
  )
  return { calls, tokenInMs: waitMs, changesInMs, asleep, wantsReading }
}

function setGoing(context: DispatchContext, call: ClaimedCall): void {
  const { inHand, pace, logger } = context
  const carried = carryOut(context, call)
    .catch((error: unknown) => {
      logger.error({ err: error, ...namesOf(call) }, 'outcome not recorded, left to be rescued')
    })
    .finally(() => {
      inHand.delete(carried)
      pace.recorded()
    })
  inHand.add(carried)
}

async function carryOut(context: DispatchContext, call: ClaimedCall): Promise<void> {
  reached('dispatch.claimed')
  await call.tightToken?.due()
  const outcome = await callBatchCreate(context, call)
  context.pace.answered()
  reached('dispatch.answered')
  await recordOutcome(context, call, outcome)
  reached('dispatch.recorded')
}
