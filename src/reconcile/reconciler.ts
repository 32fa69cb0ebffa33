import type { Logger } from 'pino'
import { createForeignInstallations } from '../attempt/foreign-installations.ts'
import type { Installation } from '../attempt/installation.ts'
import { nextDueLookMs } from '../attempt/next-look.sql.ts'
import type { PollTimes, SettledAttempt } from '../attempt/settle-attempts.sql.ts'
import { createUnexpectedInstances } from '../attempt/unexpected-instances.ts'
import { createVerdictRecorder } from '../attempt/verdict-recorder.ts'
import { createLateness } from '../budget/lateness.ts'
import { NO_CREDENTIALS, type PayingCredentials } from '../budget/paying-credentials.ts'
import type { CloudDcClient } from '../clouddc/client.ts'
import type { Database } from '../database/database.ts'
import { ASK_MS, createHeldDuty, type HeldDuty } from '../replica/held-duty.ts'
import type { Replica } from '../replica/replica.ts'
import { createOutageLog } from '../runtime/outage-log.ts'
import { asIfAlone, createLoop, type IdleMs, type RunResult, type SharedLoop } from '../runtime/run-loop.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { createProjectClaims } from './claim-projects.ts'
import { createListingPace } from './listing-pace.ts'
import { type LookContext, lookAtProject } from './project-look.ts'

/** How soon a doubt that another replica has recorded is noticed, where replicas do not hear each other. */
const IDLE_MS = 250
/** Projects looked at in parallel. */
export const LOOKS_AT_ONCE = 64

export interface ReconcilerOptions {
  database: Database
  client: Pick<CloudDcClient, 'listAllInstances' | 'listInstances'>
  replica: Replica
  installation: Installation
  credentials?: PayingCredentials
  /** How long an attempt without an answer is looked for before it counts as not created. */
  settleMs: number
  /** Attempts of one request that may have reached CloudDC. */
  maxAttempts: number
  pollTimes: PollTimes
  /** Whether a 429 lowers the rate of its project. */
  adaptive?: boolean
  /** The cost of a reconciler that dies in mid-look. */
  intervalMs?: number
  /** Projects looked at in parallel. */
  looksAtOnce?: number
  /** How long a project's first look may take; if that was not enough, the next one may take twice as long. */
  lookLimitMs?: number
  metrics: Metrics
  logger: Logger
  /** Called after each commit that settled attempts. */
  onSettled: (settled: readonly SettledAttempt[]) => void
  /** Called with the keys (`project/request`) of requests that unexpected instances were stored for. */
  onEvents?: (keys: readonly string[]) => void
  idleMs?: IdleMs
}

interface ReconcileContext extends LookContext {
  duty: HeldDuty
  claimProjects: ReturnType<typeof createProjectClaims>
  looksAtOnce: number
  /** By project, the looks under way. */
  looks: Map<string, Promise<void>>
}

/**
 * Finds out what became of calls of unknown outcome. Lists a project once, completely, for all its doubts, and
 * judges each (verdict.ts): adopted as if the 202 had arrived, void and queued again, or looked for once more. The
 * same listing serves the audits that are due: it shows instances that no outcome has named.
 * A listing that fails proves nothing. One replica at a time has the duty, yet two do no harm: a look is recorded
 * only under the claim it was made for.
 */
export function createReconciler(options: ReconcilerOptions): SharedLoop {
  const {
    database,
    replica,
    idleMs = asIfAlone,
    logger,
    intervalMs = 5000,
    looksAtOnce = LOOKS_AT_ONCE,
  } = options
  const stopping = new AbortController()
  const pace = createListingPace({ limitMs: options.lookLimitMs })
  const context: ReconcileContext = {
    ...options,
    duty: createHeldDuty({ replica, duty: 'reconcile' }),
    claimProjects: createProjectClaims({ database, pace, looksAtOnce, moveOnMs: intervalMs }),
    looksAtOnce,
    looks: new Map(),
    moveOnMs: intervalMs,
    pace,
    lateness: createLateness(),
    credentials: options.credentials ?? NO_CREDENTIALS,
    tellOfForeign: createForeignInstallations(logger),
    recordVerdicts: createVerdictRecorder(options),
    storeUnexpected: createUnexpectedInstances(options),
    outage: createOutageLog({ logger, subject: 'reconciling' }),
    signal: stopping.signal,
  }
  const loop = createLoop({
    name: 'reconciler',
    logger,
    idleMs: () => idleMs(IDLE_MS),
    runOnce: () => reconcileOnce(context),
    onStop: async () => {
      await Promise.all(context.looks.values())
      await context.credentials.drained()
    },
  })
  return {
    ...loop,
    serves: context.duty.isHeld,
    stop: () => {
      stopping.abort()
      return loop.stop()
    },
  }
}

/** Starts a look at each project that is due for one, as far as there is room. */
async function reconcileOnce(context: ReconcileContext): Promise<RunResult> {
  const { database, duty, claimProjects, looks, looksAtOnce, pace, moveOnMs } = context
  if (!(await duty.take())) return { again: false, waitMs: ASK_MS }
  if (looks.size >= looksAtOnce) return { again: false, waitMs: IDLE_MS }
  const dueInMs = await nextDueLookMs(database)
  if (dueInMs > 0) return { again: false, waitMs: dueInMs }
  for (const claim of await claimProjects([...looks.keys()])) {
    const { projectId } = claim
    if (pace.tooSlow([...looks.keys()], looksAtOnce).includes(projectId)) {
      pace.postpone(projectId, moveOnMs)
      continue
    }
    const running = lookAtProject(context, claim).finally(() => looks.delete(projectId))
    looks.set(projectId, running)
  }
  return { again: false, waitMs: IDLE_MS }
}
