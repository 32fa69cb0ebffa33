import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import { v7 as uuidv7 } from 'uuid'
import { readPage, readRequest } from '../../src/api/read-requests.sql.ts'
import { claimUncertain } from '../../src/attempt/claim-uncertain.sql.ts'
import { findStranded } from '../../src/attempt/rescue-attempts.sql.ts'
import { settleAttempts } from '../../src/attempt/settle-attempts.sql.ts'
import { type OpenAttempt, settlementOf } from '../../src/attempt/settlement.ts'
import { parseRequestMessage } from '../../src/contracts/request-message.ts'
import type { Database, Sql } from '../../src/database/database.ts'
import { SESSION_SETTINGS } from '../../src/database/pool.ts'
import { type ClaimedRequest, claimRequests } from '../../src/dispatch/claim-requests.sql.ts'
import { lockExpired, promoteRetries } from '../../src/dispatch/due-sweeps.sql.ts'
import { toNewRequest } from '../../src/intake/new-request.ts'
import { createRequestStore, type NewRequest } from '../../src/intake/request-store.ts'
import { readEvents, removeEvents } from '../../src/outbox/outbox-events.sql.ts'
import { claimInstances } from '../../src/readiness/claim-instances.sql.ts'
import { moveOf } from '../../src/readiness/readiness-recorder.ts'
import { recordObservations } from '../../src/readiness/record-observations.sql.ts'
import { moveRequests } from '../../src/request/move-requests.sql.ts'
import { createPasswordDigester } from '../../src/secrets/digest.ts'
import { createSealer } from '../../src/secrets/seal.ts'
import { findIdleRequests } from '../../src/watch/idle-requests.sql.ts'
import { createExplainingSql, type StatementPlan } from './explain.ts'
import { orders } from './messages.ts'

const BATCH = 100
const LIMIT = { perSecond: 1000, burst: 1000 }
const FIRST_NUMBER = 900_000_000

export type ExplainedStatements = Record<string, StatementPlan & { rows_returned: number }>

/**
 * Takes a hundred requests through all the statements of their way, each explained, on a database as it is. Nothing
 * of it stays.
 */
export async function explainHotStatements({ pool }: { pool: pg.Pool }): Promise<ExplainedStatements> {
  const explained: ExplainedStatements = {}
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    for (const [name, value] of Object.entries(SESSION_SETTINGS)) {
      await client.query(`SELECT set_config('${name}', '${value}', true)`)
    }
    const as = (name: string): Sql =>
      createExplainingSql(client, (plan, rows) => {
        explained[name] ??= { ...plan, rows_returned: rows }
      })
    await walk(as, async () => {
      await client.query(
        `UPDATE rate_bucket SET tokens = capacity, due_at = clock_timestamp() WHERE due_at IS NOT NULL`,
      )
    })
    return explained
  } finally {
    await client.query('ROLLBACK')
    client.release()
  }
}

async function walk(as: (name: string) => Sql, fillBuckets: () => Promise<void>): Promise<void> {
  const insert = createRequestStore({ database: as('insert-requests') as Database, limitOf: () => LIMIT })
  await insert.insertRequests(newRequests())
  await fillBuckets()

  const replicaId = uuidv7()
  const { requests } = await claimRequests(as('claim-requests'), {
    replicaId,
    attemptIds: Array.from({ length: BATCH }, () => uuidv7()),
    maxProjects: 200,
    probeMs: 35_000,
    readinessShare: 0.02,
  })
  const [first] = requests
  if (first === undefined) throw new Error('nothing was claimed')
  const { projectId } = first
  await readRequest(as('read-request'), first)
  for (const kind of ['all', 'open', 'running', 'exception'] as const) {
    const state = kind === 'exception' ? 'failed' : 'dispatching'
    await readPage(as(`read-page ${kind}`), { projectId, of: kind, state, limit: BATCH, before: undefined })
  }
  await findStranded(as('rescue-attempts'), { overdueMs: 60_000, limit: BATCH })
  await claimUncertain(as('claim-uncertain'), { exceptProjects: [], maxProjects: 10, moveOnMs: 1000 })
  await promoteRetries(as('promote-retries'), BATCH)
  await lockExpired(as('lock-expired'), BATCH)
  const settlements = requests.map((request) =>
    settlementOf(
      openAttempt(request, replicaId),
      { class: 'created', httpStatus: 202, instanceIds: [uuidv7()] },
      { firstLookMs: 1000, settleMs: 60_000 },
    ),
  )
  await settleAttempts(as('settle-attempts'), settlements, 1)

  await findIdleRequests(as('idle-requests'), { after: null, limit: BATCH, quietMs: 0 })

  const { instances } = await claimInstances(as('claim-instances'), {
    limit: BATCH,
    intervalsMs: [5000],
    idsPerCall: 100,
    share: 1,
    postponeMs: 1000,
    provisionTimeoutMs: 3_600_000,
    serverWaitMs: 60_000,
    exceptProjects: [],
    callsPerProject: 1000,
    calls: 1000,
  })
  const ended = await recordObservations(
    as('record-observations'),
    instances.map(({ projectId, id, provisionRequestId, polls }) => ({
      ...{ projectId, id, provisionRequestId, polls, state: 'running' as const, ran: true },
      ...{
        name: 'n',
        serverId: 's',
        imageId: 'i',
        networkInterfaces: [{ subnet_id: 'n', ipv4_address: null }],
      },
      ...{ upstreamState: 'running', errorCode: null, errorMessage: null },
    })),
    5000,
  )
  const moves = [...Map.groupBy(ended, (instance) => instance.provisionRequestId).values()].map(moveOf)
  await moveRequests(as('move-requests'), moves)
  const events = await readEvents(as('read-events'), { after: 0, inHand: '{}', limit: 4 * BATCH })
  await removeEvents(
    as('remove-events'),
    events.map((event) => event.position),
  )
}

function newRequests(): NewRequest[] {
  const keys = [{ id: 'bench', key: randomBytes(32) }]
  const deps = {
    sealer: createSealer(keys),
    passwordDigester: createPasswordDigester(keys),
    now: () => new Date(),
  }
  return [...orders(FIRST_NUMBER, BATCH)].map((body) => {
    const parsed = parseRequestMessage({ body, contentType: 'application/json', messageId: undefined })
    if (!parsed.ok) throw new Error('the bench publishes invalid orders')
    return toNewRequest(parsed.command, { correlationId: null, traceparent: null, tracestate: null }, deps)
  })
}

function openAttempt(request: ClaimedRequest, replicaId: string): OpenAttempt {
  return { ...request, replicaId, from: 'in_flight', instanceName: 'n' }
}
