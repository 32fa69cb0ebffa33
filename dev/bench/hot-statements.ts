import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import { v7 as uuidv7 } from 'uuid'
import { type PageQuery, readPage } from '../../src/api/read-page.sql.ts'
import { readRequests } from '../../src/api/read-requests.sql.ts'
import { settleAttempts } from '../../src/attempt/settle-attempts.sql.ts'
import { type OpenAttempt, settlementOf } from '../../src/attempt/settlement.ts'
import { applyCallResults } from '../../src/budget/apply-call-results.sql.ts'
import { noteWritten } from '../../src/budget/note-written.sql.ts'
import { wakeProjects } from '../../src/budget/wake-projects.sql.ts'
import { parseRequestMessage } from '../../src/contracts/request-message.ts'
import type { Database } from '../../src/database/database.ts'
import { type ClaimedRequest, claimRequests } from '../../src/dispatch/claim-requests.sql.ts'
import type { NewRequest } from '../../src/intake/new-request.ts'
import { toNewRequest } from '../../src/intake/new-request.ts'
import { createRequestStore } from '../../src/intake/request-store.ts'
import { readEndedInstances, readParts, readRequestFacts } from '../../src/outbox/read-facts.sql.ts'
import { readSegments, removeSegments } from '../../src/outbox/read-segments.sql.ts'
import { readSegment } from '../../src/outbox/segment.ts'
import { claimPolls } from '../../src/readiness/claim-polls.sql.ts'
import { findPending } from '../../src/readiness/find-pending.sql.ts'
import { rowsOf } from '../../src/readiness/news.ts'
import { recordObservations } from '../../src/readiness/record-observations.sql.ts'
import { createPasswordDigester, createPasswordTracer } from '../../src/secrets/digest.ts'
import { createSealer } from '../../src/secrets/seal.ts'
import { type ExplainedStatements, explainStatements, type Walk } from './explain.ts'
import { orders } from './messages.ts'

/** Requests that a walk takes along: enough for a plan to show how often it probes. */
export const BATCH = 100
const LIMIT = { perSecond: 1000, burst: 1000 }
const FIRST_NUMBER = 900_000_000
const NO_FILTER: PageQuery = {
  projectId: '',
  states: undefined,
  requestIds: undefined,
  createdAfter: undefined,
  createdBefore: undefined,
  errorCode: undefined,
  correlationId: undefined,
  before: undefined,
  limit: BATCH,
}
/** A list by each filter that has a statement of its own. */
const PAGES = (requests: readonly ClaimedRequest[]): Record<string, Partial<PageQuery>> => ({
  all: {},
  open: { states: ['dispatching', 'queued'] },
  running: { states: ['running'] },
  failed: { states: ['failed', 'expired'] },
  error: { errorCode: 'provision_timeout' },
  correlation: { correlationId: 'c-1' },
  bulk: { requestIds: requests.map(({ requestId }) => requestId) },
  times: { createdAfter: new Date(0), createdBefore: new Date() },
})
const LIMITS = { provisionTimeoutMs: 3_600_000, serverWaitMs: 60_000 }

/** Takes a hundred requests through all the statements of their way, each explained. Nothing of it stays. */
export function explainHotStatements({ pool }: { pool: pg.Pool }): Promise<ExplainedStatements> {
  return explainStatements(pool, async (walk) => {
    await walkHotWay(walk)
  })
}

/** The statements are named after their files. Returns the requests that were taken along. */
export async function walkHotWay({ as, plain }: Walk): Promise<ClaimedRequest[]> {
  await store(as('insert-requests'), FIRST_NUMBER)
  const { requests, claimId } = await claimAll({ as, plain })
  const [first] = requests
  if (first === undefined) throw new Error('nothing was claimed')
  const projectIds = [...new Set(requests.map((request) => request.projectId))]

  await noteWritten(
    as('note-written'),
    requests
      .slice(0, 1)
      .map(({ projectId }) => ({ projectId, credentialId: 'none', payment: claimId, lateMs: 1 })),
  )
  const work = { effect: 'work' as const, blockMs: null, reason: null }
  await applyCallResults(
    as('apply-call-results'),
    projectIds.map((projectId) => ({ projectId, ...work })),
  )
  await wakeProjects(as('wake-projects'), projectIds)
  await readRequests(as('read-requests by key'), requests)
  for (const [kind, filter] of Object.entries(PAGES(requests))) {
    await readPage(as(`read-page ${kind}`), { ...NO_FILTER, projectId: first.projectId, ...filter })
  }

  const outcome = () => ({ class: 'created' as const, httpStatus: 202, instanceIds: [uuidv7()] })
  const settlements = requests.map((request) =>
    settlementOf(openAttempt(request, claimId), outcome(), { firstLookMs: 1000, settleMs: 60_000 }),
  )
  const times = { firstPollMs: 1, provisionTimeoutMs: LIMITS.provisionTimeoutMs }
  await settleAttempts(as('settle-attempts'), settlements, times, [claimId])
  await poll({ as, plain })
  await publish(as)
  return requests
}

/** All that is queued, with the claim of that. */
export async function claimAll({
  as,
  plain,
}: Walk): Promise<{ requests: ClaimedRequest[]; claimId: string; replicaId: string }> {
  await plain.query(
    `UPDATE rate_bucket
     SET tokens = capacity, due_at = clock_timestamp(), ready_limit = 1000000, ready_until = 'infinity', renew_at = 'infinity'
     WHERE due_at IS NOT NULL`,
  )
  const [claimId, replicaId] = [uuidv7(), uuidv7()]
  const { requests } = await claimRequests(as('claim-requests'), {
    replicaId,
    claimId,
    slots: BATCH,
    maxProjects: 200,
    probeMs: 35_000,
    readinessShare: 0.02,
    lateMs: 0,
    preflight: true,
  })
  return { requests, claimId, replicaId }
}

/** Stores so many new requests over 20 projects, beginning with this number. */
export async function store(
  database: ReturnType<Walk['as']>,
  firstNumber: number,
  count = BATCH,
): Promise<NewRequest[]> {
  const requests = newRequests(firstNumber, count)
  await createRequestStore({ database: database as Database, limitOf: () => LIMIT }).insertRequests(requests)
  return requests
}

async function poll({ as, plain }: Walk): Promise<void> {
  await plain.query(`UPDATE poll SET due_at = clock_timestamp() - interval '1 second'`)
  const { polls } = await claimPolls(as('claim-polls'), {
    ...LIMITS,
    limit: BATCH,
    intervalsMs: [5000],
    idsPerCall: 100,
    share: 1,
    postponeMs: 1000,
    exceptProjects: [],
    callsPerProject: 1000,
    calls: 1000,
    lateMs: 0,
    payment: uuidv7(),
  })
  const shown = {
    ...{ name: 'n', serverId: 's', imageId: 'i', upstreamState: 'running' },
    networkInterfaces: [{ subnet_id: 'n', ipv4_address: null }],
    ...{ ran: true, seen: 'seen', errorCode: null, errorMessage: null },
  }
  const news = polls.flatMap((one) =>
    one.members.map((member) => ({
      poll: one,
      observation: { member, state: 'running' as const, ...shown },
    })),
  )
  const facts = await findPending(
    as('find-pending'),
    news.map((one) => ({ projectId: one.poll.projectId, id: one.observation.member.id })),
  )
  const byId = new Map(facts.map((one) => [one.id, one]))
  const known = news.flatMap((one) => {
    const own = byId.get(one.observation.member.id)
    return own === undefined ? [] : [{ ...one, facts: own }]
  })
  await recordObservations(as('record-observations'), rowsOf(news, known, LIMITS), {
    waitingPollMs: 5000,
    serverWaitMs: LIMITS.serverWaitMs,
  })
}

async function publish(as: Walk['as']): Promise<void> {
  const rows = await readSegments(as('read-segments'), { after: 0, inHand: '{}', limit: BATCH })
  const segments = rows.map((row) => readSegment(row, performance.now()))
  const refs = segments.flatMap((segment) => segment.refs)
  const facts = await readRequestFacts(as('read-facts requests'), [...new Set(refs.map(({ id }) => id))])
  const projectOf = new Map(facts.map(({ id, projectId }) => [id, projectId]))
  await readEndedInstances(
    as('read-facts instances'),
    refs.flatMap(({ id: ref, instanceIds }) =>
      instanceIds.map((id) => ({ projectId: projectOf.get(ref) ?? '', id })),
    ),
  )
  await readParts(as('read-facts parts'), refs)
  await removeSegments(
    as('read-segments remove'),
    segments.map(({ position }) => position),
  )
}

function newRequests(firstNumber: number, count: number): NewRequest[] {
  const keys = [{ id: 'bench', key: randomBytes(32) }]
  const deps = {
    sealer: createSealer(keys),
    passwordDigester: createPasswordDigester([]),
    passwordTracer: createPasswordTracer(keys),
    now: () => new Date(),
  }
  return [...orders(firstNumber, count)].map((body) => {
    const parsed = parseRequestMessage({ body, contentType: 'application/json', messageId: undefined })
    if (parsed.ok !== true) throw new Error('the bench publishes invalid orders')
    return toNewRequest(parsed.command, { correlationId: null, traceparent: null, tracestate: null }, deps)
  })
}

export function openAttempt(request: ClaimedRequest, claimId: string): OpenAttempt {
  const { id, attempt, minCount, maxCount } = request
  return { id, attempt, from: 'dispatching', claimId, minCount, maxCount, instanceName: 'n' }
}
