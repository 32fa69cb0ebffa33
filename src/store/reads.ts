import type { History, InstanceReply, RequestStatus } from '../contracts/status.ts'
import { isTerminal, type RequestState } from '../domain/provision-request.ts'
import { waitingFor } from '../domain/waiting.ts'
import { createSlots, NoSlotError } from '../runtime/slots.ts'
import { classifyDatabaseError } from './errors.ts'
import type { Prisma, PrismaClient } from './generated/client.ts'
import { instanceStatus, mergeHistory, type RequestRow, requestStatus } from './read-replies.ts'

/** Thrown when a read fails for a reason that may pass: the database is away, or overloaded. */
export class DatabaseUnavailableError extends Error {
  override readonly name = 'DatabaseUnavailableError'
}

export interface ReadsOptions {
  prisma: PrismaClient
  /** Reads of this replica at once; each holds a connection of the pool. Default 4. */
  slots?: number
  now?: () => Date
}

export interface RequestKey {
  projectId: string
  requestId: string
}

/** A status with the row's id, by which the state can be asked for again. */
export interface StatusRead {
  id: string
  status: RequestStatus
}

export interface ListQuery {
  projectId: string
  state: RequestState | undefined
  /** Requests per page. */
  limit: number
  /** Id of the last request of the page before. */
  before: string | undefined
}

/** What the API reads. Each answer is one snapshot of the database. Null means: no such request or instance. */
export interface Reads {
  status(key: RequestKey): Promise<StatusRead | null>
  list(query: ListQuery): Promise<{ requests: RequestStatus[]; lastId: string | null }>
  history(key: RequestKey): Promise<History | null>
  instance(key: { projectId: string; instanceId: string }): Promise<InstanceReply | null>
  /** The present states of those ids that exist. */
  states(ids: readonly string[]): Promise<Map<string, RequestState>>
}

/** Entries of one kind in a history: more come only from a request that was throttled for days. */
const MAX_HISTORY = 5000

/** Reads in line for a slot: some seconds' worth. */
const MAX_WAITING_READS = 1000

/** Neither the password nor its digest is ever read for the API. */
const statusColumns = {
  omit: { spec: true, sealedPassword: true, contentDigest: true, passwordDigest: true },
  include: { instances: { orderBy: [{ createdAt: 'asc' }, { id: 'asc' }] } },
} satisfies Prisma.ProvisionRequestFindFirstArgs

export function createReads({ prisma, slots = 4, now = () => new Date() }: ReadsOptions): Reads {
  const readSlots = createSlots({ slots, maxWaiting: MAX_WAITING_READS })

  /** Tells a database that is away from an error in the code. */
  const guarded = async <Result>(read: () => Promise<Result>): Promise<Result> => {
    try {
      return await readSlots.run(read)
    } catch (error) {
      if (error instanceof NoSlotError || isFault(error)) throw error
      if (classifyDatabaseError(error) === 'rejected') throw error
      throw new DatabaseUnavailableError('the database does not answer', { cause: error })
    }
  }

  const snapshot = <Result>(read: (tx: Prisma.TransactionClient) => Promise<Result>) =>
    guarded(() => prisma.$transaction(read, { isolationLevel: 'RepeatableRead' }))

  /** Requests of one project as statuses, with what tells their waiting. */
  const describe = async (tx: Prisma.TransactionClient, rows: RequestRow[]): Promise<RequestStatus[]> => {
    const uncertain = rows.filter((row) => row.state === 'uncertain').map((row) => row.id)
    const open =
      uncertain.length === 0
        ? []
        : await tx.attempt.findMany({
            where: { provisionRequestId: { in: uncertain }, state: 'uncertain' },
            select: { provisionRequestId: true, reconcileAt: true },
          })
    const reconcileAt = new Map(open.map((attempt) => [attempt.provisionRequestId, attempt.reconcileAt]))
    const queued = rows.find((row) => row.state === 'queued')
    const bucket = queued
      ? await tx.rateBucket.findUnique({
          where: { projectId: queued.projectId },
          select: { blockedUntil: true, blockedReason: true, dueAt: true },
        })
      : null
    const at = now()
    return rows.map((row) => ({
      ...requestStatus(row),
      waiting: waitingFor({
        state: row.state,
        retryAt: row.retryAt,
        reconcileAt: reconcileAt.get(row.id) ?? null,
        bucket,
        now: at,
      }),
    }))
  }

  return {
    status: (key) =>
      snapshot(async (tx) => {
        const row = await tx.provisionRequest.findUnique({
          where: { projectId_requestId: key },
          ...statusColumns,
        })
        if (row === null) return null
        const [status] = await describe(tx, [row])
        return status === undefined ? null : { id: row.id, status }
      }),

    list: ({ projectId, state, limit, before }) =>
      snapshot(async (tx) => {
        const rows = await tx.provisionRequest.findMany({
          where: { projectId, ...inState(state), ...(before === undefined ? {} : { id: { lt: before } }) },
          orderBy: { id: 'desc' },
          take: limit + 1,
          ...statusColumns,
        })
        const page = rows.slice(0, limit)
        const lastId = rows.length > limit ? (page.at(-1)?.id ?? null) : null
        return { requests: await describe(tx, page), lastId }
      }),

    history: (key) =>
      snapshot(async (tx) => {
        const row = await tx.provisionRequest.findUnique({
          where: { projectId_requestId: key },
          select: { id: true },
        })
        if (row === null) return null
        const newest = { where: { provisionRequestId: row.id }, take: MAX_HISTORY + 1 }
        const transitions = await tx.transition.findMany({ ...newest, orderBy: { version: 'desc' } })
        const attempts = await tx.attempt.findMany({ ...newest, orderBy: { number: 'desc' } })
        return {
          project_id: key.projectId,
          request_id: key.requestId,
          history: mergeHistory(transitions.slice(0, MAX_HISTORY), attempts.slice(0, MAX_HISTORY)),
          truncated: transitions.length > MAX_HISTORY || attempts.length > MAX_HISTORY,
        }
      }),

    instance: ({ projectId, instanceId }) =>
      snapshot(async (tx) => {
        const instance = await tx.instance.findUnique({
          where: { projectId_id: { projectId, id: instanceId } },
          include: { request: statusColumns },
        })
        if (instance === null) return null
        const [request] = await describe(tx, [instance.request])
        if (request === undefined) return null
        return {
          ...instanceStatus(instance),
          project_id: projectId,
          request_id: request.request_id,
          upstream_state: instance.upstreamState,
          request,
        }
      }),

    states: (ids) =>
      guarded(async () => {
        const rows = await prisma.provisionRequest.findMany({
          where: { id: { in: [...ids] } },
          select: { id: true, state: true },
        })
        return new Map(rows.map(({ id, state }) => [id, state]))
      }),
  }
}

/** An error of the code itself, which no database error is. */
function isFault(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError
}

/**
 * The condition that lets each listing use its index: those under way, and those that ended otherwise than running,
 * have partial indexes of their own. Most requests of a project run, so their listing reads the project's.
 */
function inState(state: RequestState | undefined): Prisma.ProvisionRequestWhereInput {
  if (state === undefined) return {}
  if (!isTerminal(state)) return { state, completedAt: null }
  return state === 'running' ? { state } : { exceptionState: state }
}
