import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { EXAMPLES } from '../../src/api/examples.ts'
import type { Reads } from '../../src/api/reads.ts'
import { type ApiServer, type ApiServerOptions, createApiServer } from '../../src/api/server.ts'
import { createStatusWatcher, type StatusWatcher } from '../../src/api/status-watcher.ts'
import type { RequestStatus } from '../../src/contracts/status.ts'
import { createLogger } from '../../src/logger.ts'
import type { RequestState } from '../../src/request/provision-request.ts'
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.ts'
import { NO_OPERATIONS } from './operations-stub.ts'

export const ROW_ID = '0198170e-4ca7-7ee4-89a7-fa631843920b'
export const NOW = new Date('2026-11-23T12:00:00.123Z')

/** A request's status; `changes` replace its members. */
export function buildStatus(changes: Partial<RequestStatus> = {}): RequestStatus {
  return {
    project_id: 'p',
    request_id: 'order-1',
    state: 'queued',
    counts: { min: 1, max: 1, created: 0, running: 0, failed: 0 },
    instances: [],
    name: 'web',
    priority: 0,
    deadline: null,
    correlation_id: null,
    attempts: 0,
    waiting: null,
    error: null,
    created_at: NOW,
    updated_at: NOW,
    dispatched_at: null,
    completed_at: null,
    ...changes,
  }
}

/** Reads of a store that holds one request, whose state the test sets. */
export function createOneRequestReads(state: RequestState = 'queued') {
  const world = { state, exists: true, statesAsked: [] as string[][], statusReads: 0 }
  const reads: Reads = {
    status: async () => {
      world.statusReads += 1
      return world.exists
        ? { id: ROW_ID, status: buildStatus({ state: world.state }), tag: `W/"${world.state}"` }
        : null
    },
    states: async (ids) => {
      world.statesAsked.push([...ids])
      return new Map(ids.filter((id) => world.exists && id === ROW_ID).map((id) => [id, world.state]))
    },
    list: async () => ({ requests: [], lastId: null, tag: 'W/"empty"' }),
    history: async () => null,
    summary: async () => {
      throw new Error('nobody asks for a summary here')
    },
    instance: async () => null,
  }
  return { world, reads }
}

export interface ApiWorld {
  api: ApiServer
  watcher: StatusWatcher
  metrics: Metrics
  /** What was logged, as text. */
  log: () => string
}

/** An API over the given reads, stopped when the test ends; not yet listening. */
export function createApi(
  reads: Reads,
  options: Partial<Omit<ApiServerOptions, 'reads' | 'metrics' | 'logger' | 'watcher' | 'port'>> & {
    maxHeld?: number
    maxHeldByOne?: number
  } = {},
): ApiWorld {
  const { maxHeld, maxHeldByOne, ...server } = options
  const lines: string[] = []
  const logger = createLogger({ level: 'debug', destination: { write: (line) => lines.push(line) } })
  const metrics = createMetrics()
  const watcher = createStatusWatcher({
    reads,
    logger: pino({ level: 'silent' }),
    waiters: metrics.http.waiters,
    ...(maxHeld === undefined ? {} : { maxHeld }),
    ...(maxHeldByOne === undefined ? {} : { maxHeldByOne }),
  })
  const api = createApiServer({
    cancel: async () => 'cancelled',
    publicKeys: EXAMPLES.keySet,
    operations: NO_OPERATIONS,
    checks: {},
    drainMs: 0,
    host: '127.0.0.1',
    ...server,
    reads,
    metrics,
    logger,
    watcher,
    port: 0,
  })
  onTestFinished(() => api.stop())
  return { api, watcher, metrics, log: () => lines.join('') }
}

/** The one request of `createOneRequestReads`. */
export const REQUEST_PATH = '/v1/p/provision-requests/order-1'

/** An API over a store that holds one request; `overrides` replace single reads. */
export function setUpApi(overrides: Partial<Reads> = {}, options: Parameters<typeof createApi>[1] = {}) {
  const { world, reads } = createOneRequestReads()
  return { world, ...createApi({ ...reads, ...overrides }, options) }
}

export interface ProblemReply {
  status: number
  title: string
  code: string
  detail?: string
  errors?: { path: string }[]
}
