import { applyCallResults } from '../budget/apply-call-results.sql.ts'
import { effectOfRecovery } from '../budget/call-effect.ts'
import { newsOfReading } from '../budget/credential-effect.ts'
import type { Lateness, PaidCall } from '../budget/lateness.ts'
import { payForReading } from '../budget/pay-for-reading.sql.ts'
import type { PayingCredentials } from '../budget/paying-credentials.ts'
import type { CloudDcClient } from '../clouddc/client.ts'
import {
  CloudDcNotSentError,
  CloudDcRefusedError,
  CloudDcThrottledError,
  CloudDcUnexpectedError,
} from '../clouddc/errors.ts'
import type { Database } from '../database/database.ts'
import { reached } from '../runtime/steps.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { ClaimedPoll } from './claim-polls.sql.ts'
import type { Sighting } from './observation.ts'
import type { PollMember } from './poll-member.ts'
import type { Reschedule } from './reschedule.ts'
import type { RecordSightings } from './sighting-recorder.ts'

/** Instances that one call asks for one by one afterwards, at most. */
const SINGLE_CALLS = 10
/** The calls as all throttled ones are counted. */
const NAMES = { list: 'list_instances', status: 'show_instance_status' }
/** What ShowInstanceStatus does not tell. */
const UNLISTED = { name: null, serverId: null, imageId: null, networkInterfaces: null }

export interface PollContext {
  database: Database
  client: Pick<CloudDcClient, 'listInstances' | 'showInstanceStatus'>
  /** 0..1 of the call budget. */
  readinessShare: number
  /** Shared by all polls of the process. */
  lateness: Lateness
  credentials: PayingCredentials
  recordSightings: RecordSightings
  /** Absent: times stay as the claim has set them. */
  reschedule: Reschedule | undefined
  metrics: Metrics
}

/** A call that a claim has paid for. */
export interface PaidPoll extends PaidCall {
  poll: ClaimedPoll
  credentialProbing: boolean | null
}

/**
 * Asks CloudDC for the instances of one call, and records what it says. Throws the first failure, after it has recorded
 * all that was answered.
 */
export async function pollInstances(
  context: PollContext,
  paid: PaidPoll,
  signal: AbortSignal,
): Promise<void> {
  const { database, client, recordSightings } = context
  const { poll } = paid
  const { projectId, members, probing } = poll
  const instanceIds = members.map(({ id }) => id)
  const page = await call(context, paid, 'list', (beforeWrite) =>
    client.listInstances({ projectId, instanceIds, beforeWrite }),
  )
  reached('readiness.observed')
  const sightings = new Map<string, Sighting>(page.instances.map((instance) => [instance.id, instance]))
  const missing = members.filter(({ id }) => !sightings.has(id))
  // An instance that runs by ShowInstanceStatus waits for the listing: nothing else names its server.
  const [waiting, unknown] = [missing.filter(hasRun), missing.filter((member) => !hasRun(member))]
  for (const { id } of waiting) sightings.set(id, 'not_found')
  await recordSightings(poll, sightings)
  if (probing) await applyCallResults(database, [effectOfRecovery(projectId)])
  if (unknown.length > 0) await askSingly(context, poll, unknown, signal)
  const imageOf = new Map(page.instances.map(({ id, imageId }) => [id, imageId]))
  await context.reschedule?.(poll, { ageMs: paid.age(), imageOf: (id) => imageOf.get(id) ?? null })
}

/**
 * Asks one by one for instances that the listing left out, a few of them, from a random start: so that none is hidden
 * for ever by others whose answers fail. Those without a token are left to the next poll.
 */
async function askSingly(
  context: PollContext,
  poll: ClaimedPoll,
  missing: readonly PollMember[],
  signal: AbortSignal,
): Promise<void> {
  const { database, readinessShare, lateness, metrics } = context
  const { projectId } = poll
  const first = Math.floor(Math.random() * missing.length)
  const chosen = [...missing.slice(first), ...missing.slice(0, first)].slice(0, SINGLE_CALLS)
  const failures: unknown[] = []
  for (const { id } of chosen) {
    if (signal.aborted) break
    const payment = await payForReading(database, {
      projectId,
      purpose: 'poll',
      share: readinessShare,
      lateMs: lateness.usualMs(),
    })
    if (!payment?.granted) break
    metrics.dispatch.tokensTaken.inc()
    try {
      await askForOne(context, { ...payment, poll }, id)
    } catch (error) {
      if (!isAboutTheInstance(error)) throw error
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}

async function askForOne(context: PollContext, paid: PaidPoll, instanceId: string): Promise<void> {
  const { client, recordSightings } = context
  const { poll } = paid
  const status = await call(context, paid, 'status', (beforeWrite) =>
    client.showInstanceStatus({ projectId: poll.projectId, instanceId, beforeWrite }),
  )
  const sighting = status === 'not_found' ? status : { ...UNLISTED, ...status }
  await recordSightings(poll, new Map([[instanceId, sighting]]))
}

async function call<Answer>(
  { lateness, credentials, metrics }: PollContext,
  paid: PaidPoll,
  kind: 'list' | 'status',
  ask: (beforeWrite: () => void) => Promise<Answer>,
): Promise<Answer> {
  const startedAt = performance.now()
  const { projectId } = paid.poll
  let result = 'ok'
  let failure: unknown = null
  try {
    return await ask(() => {
      credentials.check({ ...paid, projectId })
      lateness.check(paid)
    })
  } catch (error) {
    failure = error
    result = resultOf(error)
    if (result === 'throttled') metrics.dispatch.throttled.inc({ call: NAMES[kind] })
    throw error
  } finally {
    credentials.tell(paid, newsOfReading(failure))
    metrics.readiness.calls.inc({ call: kind, result })
    metrics.readiness.callSeconds.observe({ call: kind }, (performance.now() - startedAt) / 1000)
  }
}

const hasRun = ({ ranMs }: PollMember) => ranMs !== null

/** Another instance may fare better. */
function isAboutTheInstance(error: unknown): boolean {
  return error instanceof CloudDcRefusedError || error instanceof CloudDcUnexpectedError
}

function resultOf(error: unknown): string {
  if (error instanceof CloudDcThrottledError) return 'throttled'
  return error instanceof CloudDcNotSentError ? 'not_sent' : 'failed'
}
