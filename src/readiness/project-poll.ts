import { applyCallResults } from '../budget/apply-call-results.sql.ts'
import { effectOfRecovery } from '../budget/call-effect.ts'
import type { StaleGuard } from '../budget/stale-guard.ts'
import { takeToken } from '../budget/take-token.sql.ts'
import type { CloudDcClient } from '../clouddc/client.ts'
import { CloudDcRefusedError, CloudDcThrottledError, CloudDcUnexpectedError } from '../clouddc/errors.ts'
import type { Database } from '../database/database.ts'
import { startAge } from '../runtime/age.ts'
import { reached } from '../runtime/steps.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { ClaimedPoll } from './claim-polls.sql.ts'
import type { Sighting } from './observation.ts'
import type { PollMember } from './poll-member.ts'
import type { RecordSightings } from './sighting-recorder.ts'

/** Instances that one call asks for one by one afterwards, at most. */
const SINGLE_CALLS = 10
/** What ShowInstanceStatus does not tell. */
const UNLISTED = { name: null, serverId: null, imageId: null, networkInterfaces: null }

export interface PollContext {
  database: Database
  client: Pick<CloudDcClient, 'listInstances' | 'showInstanceStatus'>
  /** 0..1 of the call budget. */
  readinessShare: number
  /** Shared by all polls of the process. */
  stale: StaleGuard
  recordSightings: RecordSightings
  metrics: Metrics
}

/** A call that a claim has paid for. */
export interface PaidCall {
  poll: ClaimedPoll
  /** Milliseconds since the claim was sent. */
  age: () => number
}

/**
 * Asks CloudDC for the instances of one call, and records what it says. Throws the first failure, after it has recorded
 * all that was answered. A stale call is not made: it would arrive together with those of later tokens.
 */
export async function pollInstances(
  context: PollContext,
  { poll, age }: PaidCall,
  signal: AbortSignal,
): Promise<void> {
  const { database, client, stale, recordSightings, metrics } = context
  const { projectId, members, probing } = poll
  const instanceIds = members.map(({ id }) => id)
  const beforeWrite = () => stale.check(age)
  const page = await measured(metrics, 'list', () =>
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
  const { database, readinessShare } = context
  const { projectId } = poll
  const first = Math.floor(Math.random() * missing.length)
  const chosen = [...missing.slice(first), ...missing.slice(0, first)].slice(0, SINGLE_CALLS)
  const failures: unknown[] = []
  for (const { id } of chosen) {
    const age = startAge()
    if (signal.aborted || !(await takeToken(database, { projectId, share: readinessShare }))) break
    try {
      await askForOne(context, poll, id, age)
    } catch (error) {
      if (!isAboutTheInstance(error)) throw error
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}

async function askForOne(
  { client, stale, recordSightings, metrics }: PollContext,
  poll: ClaimedPoll,
  instanceId: string,
  age: () => number,
): Promise<void> {
  const beforeWrite = () => stale.check(age)
  const status = await measured(metrics, 'status', () =>
    client.showInstanceStatus({ projectId: poll.projectId, instanceId, beforeWrite }),
  )
  const sighting = status === 'not_found' ? status : { ...UNLISTED, ...status }
  await recordSightings(poll, new Map([[instanceId, sighting]]))
}

async function measured<Answer>(
  metrics: Metrics,
  call: 'list' | 'status',
  ask: () => Promise<Answer>,
): Promise<Answer> {
  const startedAt = performance.now()
  let result = 'ok'
  try {
    return await ask()
  } catch (error) {
    result = error instanceof CloudDcThrottledError ? 'throttled' : 'failed'
    throw error
  } finally {
    metrics.readiness.calls.inc({ call, result })
    metrics.readiness.callSeconds.observe({ call }, (performance.now() - startedAt) / 1000)
  }
}

const hasRun = ({ ranMs }: PollMember) => ranMs !== null

/** Another instance may fare better. */
function isAboutTheInstance(error: unknown): boolean {
  return error instanceof CloudDcRefusedError || error instanceof CloudDcUnexpectedError
}
