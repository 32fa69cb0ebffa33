import { pino } from 'pino'
import { v7 as uuidv7 } from 'uuid'
import type { Walk } from '../../dev/bench/explain.ts'
import { BATCH, claimAll, openAttempt, store } from '../../dev/bench/hot-statements.ts'
import { readHistory } from '../../src/api/read-history.sql.ts'
import { readRequestOfInstance, readStates } from '../../src/api/read-requests.sql.ts'
import { readSummary } from '../../src/api/read-summary.sql.ts'
import { addInstances } from '../../src/attempt/add-instances.sql.ts'
import { claimDoubts } from '../../src/attempt/claim-doubts.sql.ts'
import { demandAudits } from '../../src/attempt/demand-audits.sql.ts'
import { endAudits, findDueAudits } from '../../src/attempt/due-audits.sql.ts'
import { lockDoubt } from '../../src/attempt/find-doubt.sql.ts'
import { findOwners } from '../../src/attempt/find-owners.sql.ts'
import { findNamedRequests } from '../../src/attempt/find-unexpected.sql.ts'
import { nextDueLookMs } from '../../src/attempt/next-look.sql.ts'
import { lockClaimed, recordLooks } from '../../src/attempt/record-looks.sql.ts'
import { deleteGoneReplicas, findClaims, findStranded } from '../../src/attempt/rescue-claims.sql.ts'
import { settleAttempts } from '../../src/attempt/settle-attempts.sql.ts'
import { settlementOf } from '../../src/attempt/settlement.ts'
import { recoverRates } from '../../src/budget/adaptive-rate.sql.ts'
import { applyCredentialResults } from '../../src/budget/apply-credential-results.sql.ts'
import { labelProjects } from '../../src/budget/label-projects.sql.ts'
import { payForReading } from '../../src/budget/pay-for-reading.sql.ts'
import { reopenCredentials } from '../../src/budget/reopen-credentials.sql.ts'
import { syncBuckets } from '../../src/budget/sync-buckets.sql.ts'
import { syncCredentials } from '../../src/budget/sync-credentials.sql.ts'
import {
  findExpired,
  findSleepingProjects,
  nextSweepMs,
  promoteRetries,
} from '../../src/dispatch/due-sweeps.sql.ts'
import { askBucket } from '../../src/doctor/ask-bucket.sql.ts'
import { forgetCurves, readCurves, writeCurves } from '../../src/forecast/boot-curves.sql.ts'
import { readFollowed } from '../../src/forecast/followed.sql.ts'
import { forecastsOf } from '../../src/forecast/forecasts.ts'
import { readBudgets, readQueues } from '../../src/forecast/read-queues.sql.ts'
import { storeForecasts } from '../../src/forecast/store-forecasts.sql.ts'
import { countOpen } from '../../src/intake/count-open.sql.ts'
import { findTaken } from '../../src/intake/find-taken.sql.ts'
import { insertRejections } from '../../src/intake/insert-rejections.sql.ts'
import type { NewRequest } from '../../src/intake/new-request.ts'
import { recordRun, takeRun } from '../../src/operations/carry-run.sql.ts'
import { countLetters } from '../../src/operations/count-letters.sql.ts'
import { findFailures } from '../../src/operations/find-failures.sql.ts'
import { findProjects } from '../../src/operations/find-projects.sql.ts'
import { findUncertain } from '../../src/operations/find-uncertain.sql.ts'
import { insertRun } from '../../src/operations/insert-run.sql.ts'
import { markReplayed } from '../../src/operations/mark-replayed.sql.ts'
import { readFlow } from '../../src/operations/read-flow.sql.ts'
import { readLevels } from '../../src/operations/read-levels.sql.ts'
import { readStanding } from '../../src/operations/read-standing.sql.ts'
import { readWaiting } from '../../src/operations/read-waiting.sql.ts'
import { endRun } from '../../src/operations/stop-run.sql.ts'
import { writeAudit } from '../../src/operations/write-audit.sql.ts'
import { findPasswordDigests } from '../../src/readiness/password-digests.sql.ts'
import { reschedulePolls } from '../../src/readiness/reschedule-polls.sql.ts'
import { restorePolls } from '../../src/readiness/restore-polls.sql.ts'
import {
  holdDuty,
  nextLeaseEndMs,
  registerReplica,
  renewReplica,
  resignReplica,
} from '../../src/replica/leases.sql.ts'
import { changeRequests } from '../../src/request/change-requests.sql.ts'
import { deleteIdleBuckets, markIdleBuckets } from '../../src/retention/idle-buckets.sql.ts'
import { retireOperations } from '../../src/retention/retire-operations.sql.ts'
import {
  deleteRetiredKeys,
  deleteRetiredRequests,
  keepKeys,
} from '../../src/retention/retire-requests.sql.ts'
import { NIL_UUID } from '../../src/runtime/uuid.ts'
import { addFlow, NO_FLOW } from '../../src/telemetry/add-flow.sql.ts'
import { addDatabaseFigures } from '../../src/telemetry/database-figures.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { readOpenRequests } from '../../src/watch/open-requests.sql.ts'
import { readPolledInstances } from '../../src/watch/polled-instances.sql.ts'
import { restoreClaims } from '../../src/watch/restore-claims.sql.ts'
import { restoreDoubts } from '../../src/watch/restore-doubts.sql.ts'
import { walkPreflight } from './preflight-statements.ts'
import { buildRejected } from './rejected-message.ts'

const FIRST_NUMBER = 950_000_000
const POLL_TIMES = { firstPollMs: 1, provisionTimeoutMs: 3_600_000 }
const LOOK_TIMES = { firstLookMs: 1, settleMs: 60_000 }

/** Takes requests through the statements beside their usual way, each named after its file. */
export async function walkColdWays(walk: Walk): Promise<void> {
  const waiting = await store(walk.plain, FIRST_NUMBER)
  await sweep(walk, waiting)
  await walkPreflight(walk)
  const provisioning = await dispatch(walk, 'created')
  await readiness(walk, provisioning)
  await store(walk.plain, FIRST_NUMBER + BATCH)
  await rescue(walk)
  await reconcile(walk)
  await budget(walk, provisioning)
  await operate(walk)
  await watch(walk)
  await keep(walk)
}

/** What waits in the queue: duplicates, deadlines, retries, cancelling. */
async function sweep({ as }: Walk, waiting: readonly NewRequest[]): Promise<void> {
  await findTaken(as('find-taken'), waiting)
  await countOpen(as('count-open'), [...new Set(waiting.map(({ projectId }) => projectId))], 1000)
  await nextSweepMs(as('due-sweeps next'))
  await promoteRetries(as('due-sweeps promote'), BATCH)
  await findExpired(as('due-sweeps expired'), BATCH)
  await findSleepingProjects(as('due-sweeps sleeping'))
  await readFollowed(
    as('followed'),
    waiting.map(({ id }) => id),
  )
  const queues = await readQueues(as('read-queues'), { mostProjects: 1000, mostCounted: BATCH })
  await readBudgets(
    as('read-queues budgets'),
    queues.map(({ credentialId }) => credentialId),
  )
  await storeForecasts(
    as('store-forecasts'),
    forecastsOf(queues, [], () => 1),
  )
  const note = { to: null, change: { cause: 'noted' } }
  await changeRequests(
    as('change-requests'),
    waiting.map(({ id }) => ({ id, version: 1, ...note })),
  )
}

interface Placed {
  id: string
  projectId: string
  requestId: string
  instanceId: string
}

/** Claims what is queued and settles it one way. */
async function dispatch(walk: Walk, way: 'created' | 'unknown'): Promise<Placed[]> {
  const { requests, claimId } = await claimAll({ ...walk, as: () => walk.plain })
  const placed = requests.map((request) => ({ ...request, instanceId: uuidv7() }))
  const unknown = { class: 'unknown', reason: 'timeout', code: 'x', message: 'x', httpStatus: null } as const
  const rows = placed.map((one) =>
    settlementOf(
      openAttempt(one, claimId),
      way === 'created' ? { class: 'created', httpStatus: 202, instanceIds: [one.instanceId] } : unknown,
      LOOK_TIMES,
    ),
  )
  const name = `settle-attempts ${way}`
  await settleAttempts(walk.as(name), rows, POLL_TIMES, [claimId])
  return placed
}

async function readiness({ as, plain }: Walk, placed: readonly Placed[]): Promise<void> {
  const [first] = placed
  if (first === undefined) throw new Error('nothing was claimed')
  const { projectId, requestId, instanceId } = first
  const ids = placed.map((one) => one.id)
  await readHistory(as('read-history'), { projectId, requestId, maxParts: 10 })
  await readRequestOfInstance(as('read-requests by instance'), { projectId, instanceId })
  await readStates(as('read-requests states'), ids)
  await readSummary(as('read-summary'), projectId)
  await askBucket(as('ask-bucket'), projectId)
  const ownIds = placed.filter((one) => one.projectId === projectId).map((one) => one.instanceId)
  await findPasswordDigests(as('password-digests'), projectId, ownIds)
  await findOwners(as('find-owners'), projectId, ownIds)
  const marked = placed.map(({ id }) => ({ instanceId: uuidv7(), id, attempt: 1, requestId: null }))
  await findNamedRequests(as('find-unexpected'), projectId, marked)
  await demandAudits(
    as('demand-audits'),
    placed.map((one) => ({ projectId: one.projectId, id: one.instanceId })),
  )
  await addInstances(
    as('add-instances'),
    placed.map(({ id }) => ({
      id,
      version: 4,
      attempt: 1,
      change: { cause: 'unexpected_instances', attempt: 1 },
      instanceIds: [uuidv7()],
    })),
    POLL_TIMES,
  )
  const curves = [{ projectId, imageId: 'image-1', counts: [1], quantilesMs: null }]
  await readCurves(as('boot-curves read'), curves)
  await writeCurves(as('boot-curves write'), curves)
  await forgetCurves(as('boot-curves forget'), { days: 30, most: 1000 })
  const polls = await plain.query<{ id: string }>('SELECT id FROM poll')
  await reschedulePolls(
    as('reschedule-polls'),
    polls.map(({ id }) => ({ id, inMs: 1000 })),
  )
  await plain.query('DELETE FROM poll')
  await restorePolls(as('restore-polls'), ids)
}

async function rescue(walk: Walk): Promise<void> {
  const { as } = walk
  const { requests, claimId, replicaId } = await claimAll({ ...walk, as: () => walk.plain })
  await registerReplica(as('leases register'), replicaId, 1000)
  await renewReplica(as('leases renew'), replicaId, 1000)
  await nextLeaseEndMs(as('leases next end'), replicaId)
  await holdDuty(as('leases duty'), 'relay', replicaId, 1000)
  await findStranded(as('rescue-claims stranded'), { overdueMs: 0, limit: BATCH })
  await findClaims(as('rescue-claims found'), [claimId])
  await walk.plain.query('DELETE FROM claim')
  await restoreClaims(
    as('restore-claims'),
    requests.map(({ id }) => id),
  )
  const unknown = { class: 'unknown', reason: 'timeout', code: 'x', message: 'x', httpStatus: null } as const
  const rows = requests.map((one) => settlementOf(openAttempt(one, claimId), unknown, LOOK_TIMES))
  await settleAttempts(as('settle-attempts unknown'), rows, POLL_TIMES, [claimId])
  await resignReplica(as('leases resign'), replicaId)
  await deleteGoneReplicas(as('rescue-claims gone replicas'))
}

async function reconcile(walk: Walk): Promise<void> {
  const { as, plain } = walk
  await plain.query(`UPDATE look SET due_at = clock_timestamp() - interval '1 second'`)
  await nextDueLookMs(as('next-look'))
  const params = { exceptProjects: [], maxProjects: 100, moveOnMs: 1000 }
  await overview(walk)
  const doubts = await claimDoubts(as('claim-doubts'), params)
  await findUncertain(as('find-uncertain'), { after: NIL_UUID, limit: BATCH })
  const [first] = doubts
  if (first === undefined) throw new Error('nothing is in doubt')
  await lockDoubt(as('find-doubt'), first)
  await lockClaimed(as('record-looks lock'), doubts)
  const look = { found: {}, listingsWithout: 1, lookInMs: 1000 }
  await recordLooks(
    as('record-looks'),
    doubts.map((doubt) => ({ doubt, ...look })),
  )
  const [audits] = await findDueAudits(as('due-audits find'), { exceptProjects: [], limit: BATCH })
  if (audits === undefined) throw new Error('nothing is to be audited')
  await endAudits(as('due-audits end'), audits)
  await plain.query('DELETE FROM look')
  await restoreDoubts(
    as('restore-doubts'),
    doubts.map(({ id }) => id),
  )
}

async function budget({ as }: Walk, [first]: readonly Placed[]): Promise<void> {
  await syncBuckets(
    as('sync-buckets'),
    { standard: { refillPerSecond: 5, capacity: 10 }, overrides: [] },
    true,
  )
  await recoverRates(as('adaptive-rate'), 1000)
  const credentialId = 'key'
  await reopenCredentials(as('reopen-credentials'), ['default'])
  await syncCredentials(as('sync-credentials'), [{ credentialId, refillPerSecond: 5, capacity: 10 }])
  await labelProjects(as('label-projects'), [{ projectId: first?.projectId ?? '', credentialId }])
  await applyCredentialResults(as('apply-credential-results'), [
    { credentialId, effect: 'clear', leastMs: null, refusals: 0, refunds: [] },
  ])
  const purpose = { purpose: 'listing', share: 0.02, lateMs: 0 } as const
  await payForReading(as('pay-for-reading'), { projectId: first?.projectId ?? '', ...purpose })
}

async function operate({ as }: Walk): Promise<void> {
  await insertRejections(as('insert-rejections'), [buildRejected(null)])
  const since = new Date(0)
  await markReplayed(as('mark-replayed'), [uuidv7()], since)
  const run = { id: uuidv7(), holder: uuidv7() }
  await insertRun(as('insert-run'), { id: run.id, kind: 'events', params: {} })
  const taken = await takeRun(as('carry-run take'), run.holder)
  if (taken === null) throw new Error('there is no run')
  await recordRun(as('carry-run record'), run, taken)
  await endRun(as('stop-run'), run.id, 'stopped')
  await findFailures(as('find-failures'), { since, limit: 1000, projectsNamed: 10 })
  await findProjects(as('find-projects'), { after: undefined, limit: 1000 })
  await writeAudit(as('write-audit'), {
    ...{ who: 'key:console', reason: 'to see how it is planned', verb: 'resolve' },
    ...{ projectId: 'p', target: 'order', before: null, after: { state: 'queued' }, until: null },
  })
}

/** While there are doubts, polls, events and claims. */
async function overview({ as }: Walk): Promise<void> {
  await addFlow(as('add-flow'), uuidv7(), { ...NO_FLOW, accepted: 1 })
  await readFlow(as('read-flow'), 15)
  await readStanding(as('read-standing'), { mostReplicas: 100, mostSegments: 100 })
  await readWaiting(as('read-waiting'), { mostProjects: 100, most: BATCH, atLeast: 1 })
  await readLevels(as('read-levels'), 100)
  await countLetters(as('count-letters'), { codes: ['invalid_json'], most: 100 })
}

async function watch({ as }: Walk): Promise<void> {
  const metrics = createMetrics()
  addDatabaseFigures({ metrics, database: as('database-figures'), logger: pino({ level: 'silent' }) })
  await metrics.registry.metrics()
  await readOpenRequests(as('open-requests'), { after: null, limit: 4 * BATCH, unchangedMs: 0, seed: 7 })
  await readPolledInstances(as('polled-instances'), 7)
}

async function keep({ as, plain }: Walk): Promise<void> {
  const old = `completed_at = now() - interval '400 days'`
  await plain.query(`UPDATE provision_request SET ${old} WHERE completed_at IS NOT NULL`)
  const params = { olderThanDays: 30, limit: BATCH, ahead: 1000 }
  await keepKeys(as('retire-requests keep'), params)
  await deleteRetiredRequests(as('retire-requests delete'), { ...params, keptForMs: 0 })
  await retireOperations(as('retire-operations'), { letterDays: 0, auditDays: 0, limit: BATCH })
  await markIdleBuckets(as('idle-buckets mark'), { idleMs: 1000, limit: BATCH })
  await deleteIdleBuckets(as('idle-buckets delete'), { idleMs: 1000, limit: BATCH, keptForMs: 0 })
  await deleteRetiredKeys(as('retire-requests keys'), { olderThanDays: 365, limit: BATCH })
}
