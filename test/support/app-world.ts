import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { type EventObserver, observeEvents } from '../../checker/event-observer.ts'
import type { SimulatorOptions } from '../../simulator/options.ts'
import { createSimulator, type Simulator } from '../../simulator/simulator.ts'
import { createApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import type { HistoryEntry } from '../../src/contracts/history.ts'
import type { RequestStatus } from '../../src/contracts/status.ts'
import type { Wire } from '../../src/contracts/wire.ts'
import { createLogger } from '../../src/logger.ts'
import { isTerminal } from '../../src/request/provision-request.ts'
import { type DeadLetterRecord, openMessaging, type Properties } from './app-messaging.ts'
import { createTestBroker, type TestBroker } from './broker.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { eventually } from './eventually.ts'
import { buildRequest } from './request-builder.ts'
import { readEvent, type SeenEvent } from './seen-event.ts'

export type StatusReply = Wire<RequestStatus>
export type HistoryReply = { history: Wire<HistoryEntry>[] }

export interface RequestKey {
  projectId: string
  requestId: string
}

/** The service, in this process or another. */
export interface RunningApp {
  readonly url: string
  /** Everything it has logged so far. */
  log(): string
  stop(): Promise<unknown>
}

export interface AppWorldOptions {
  /** The service's environment beyond that of every world. */
  settings?: Readonly<Record<string, string>>
  simulator?: SimulatorOptions
  /** Whether somebody consumes all events and dead letters from the start. Default true. */
  consumers?: boolean
}

/**
 * Limits high enough not to matter where a test is not about them, and pauses short enough for tests. What a machine that
 * stalls could run into stays out of the way: leases and the time of a call are those of production, and a bucket that
 * is far from full leaves its calls seconds before they count as held up.
 */
const SETTINGS = {
  RATE_LIMIT_PER_SECOND: '100',
  RATE_LIMIT_BURST: '2000',
  RECONCILE_SETTLE_MS: '800',
  RECONCILE_INTERVAL_MS: '300',
  POLL_MIN_MS: '100',
  POLL_MAX_MS: '300',
  HOST: '127.0.0.1',
  PORT: '0',
}

/** What the service sends CloudDC to prove who it is. */
export const AUTH_TOKEN = 'token-canary-7719'

export type AppWorld = Awaited<ReturnType<typeof createAppWorld>>

/**
 * All that surrounds the service: a database, a virtual host, CloudDC's simulator, a producer of messages, and
 * consumers of events and dead letters. Tests of one file share it, each with projects of its own. Call it in
 * beforeAll, `close` in afterAll; or `await using` within one test.
 */
export async function createAppWorld({
  settings = {},
  simulator: knobs,
  consumers = true,
}: AppWorldOptions = {}) {
  const stack = new AsyncDisposableStack()
  const database: TestDatabase = stack.use(await createTestDatabase())
  const broker: TestBroker = stack.use(await createTestBroker())
  const simulator: Simulator = await createSimulator({ bootMinMs: 20, bootMaxMs: 50, ...knobs })
  stack.defer(simulator.close)
  const secretKeys = settings.SECRET_KEYS ?? `test:${randomBytes(32).toString('base64')}`
  const messaging = await openMessaging(broker.url, secretKeys)
  stack.defer(messaging.close)
  let observer: EventObserver | undefined
  if (consumers) {
    observer = await observeEvents(broker.url)
    const { events, stop } = observer
    stack.defer(async () => {
      await stop()
      // Whatever a test looks at, all that was published has the published form.
      for (const { body } of events) readEvent(body)
    })
    await messaging.collectDeadLetters()
  }

  const environment: Readonly<Record<string, string>> = {
    DATABASE_URL: database.url,
    AMQP_URL: broker.url,
    CLOUDDC_ENDPOINT: simulator.url,
    CLOUDDC_AUTH_TOKEN: AUTH_TOKEN,
    SECRET_KEYS: secretKeys,
    ...SETTINGS,
    ...settings,
  }
  let api = ''
  let projects = 0
  let orders = 0

  const get = async <Body>(path: string, base = api): Promise<{ status: number; body: Body }> => {
    const reply = await fetch(`${base}${path}`)
    const text = await reply.text()
    const json = /json/.test(reply.headers.get('content-type') ?? '')
    return { status: reply.status, body: (json ? JSON.parse(text) : text) as Body }
  }

  const ready = (url: string) =>
    eventually(async () => {
      const { status, body } = await get('/readyz', url)
      expect(status, JSON.stringify(body)).toBe(200)
    })

  /** Starts the service in this process; `changes` to its environment, undefined takes a variable away. */
  const startApp = async (
    changes: Readonly<Record<string, string | undefined>> = {},
    { waitUntilReady = true, lookEveryMs }: { waitUntilReady?: boolean; lookEveryMs?: number } = {},
  ): Promise<RunningApp> => {
    const lines: string[] = []
    const config = loadConfig({ ...environment, ...changes })
    const logger = createLogger({ level: 'debug', destination: { write: (line) => lines.push(line) } })
    const app = createApp({ config, logger, ...(lookEveryMs === undefined ? {} : { lookEveryMs }) })
    let stopping: Promise<void> | undefined
    const stop = () => {
      stopping ??= app.stop()
      return stopping
    }
    stack.defer(stop)
    await app.start()
    const url = app.url()
    if (api === '') api = url
    if (waitUntilReady) await ready(url)
    return { url, stop, log: () => lines.join('') }
  }

  /** Publishes a valid message; `spec` changes its spec, the other changes its own members. Returns its key. */
  const order = async (
    changes: { project_id: string; request_id?: string; spec?: Record<string, unknown> } & Record<
      string,
      unknown
    >,
    properties: Properties = {},
  ): Promise<RequestKey> => {
    orders += 1
    const message = buildRequest({ request_id: `order-${orders}`, ...changes })
    await messaging.publish(message, properties)
    return { projectId: message.project_id, requestId: message.request_id }
  }

  const pathOf = ({ projectId, requestId }: RequestKey) => `/v1/${projectId}/provision-requests/${requestId}`

  const statusOf = async (key: RequestKey): Promise<StatusReply> => {
    const { status, body } = await get<StatusReply>(pathOf(key))
    expect(status, JSON.stringify(body)).toBe(200)
    return body
  }

  /** The status once the assertion holds of it. */
  const statusWhen = (key: RequestKey, assertion: (status: StatusReply) => void) =>
    eventually(async () => {
      const status = await statusOf(key)
      assertion(status)
      return status
    })

  /** The events of a request that have arrived, without repeated copies, in order. */
  const eventsOf = ({ projectId, requestId }: RequestKey): SeenEvent[] => {
    const source = `/v1/${projectId}/provision-requests/${requestId}`
    const seen = new Map<string, SeenEvent>()
    for (const { body } of observer?.events ?? []) {
      if (!body.includes(source)) continue
      const event = readEvent(body)
      const { request_id: id, project_id: project } = event.data
      if (id === requestId && project === projectId && !seen.has(event.id)) seen.set(event.id, event)
    }
    return [...seen.values()]
  }

  /** The events of a request once its last, of the kind request.completed, is there. */
  const allEventsOf = (key: RequestKey): Promise<SeenEvent[]> =>
    eventually(() => {
      const events = eventsOf(key)
      expect(events.at(-1)?.kind).toBe('request.completed')
      return events
    })

  return {
    database,
    broker,
    simulator,
    environment,
    /** The API of the app that was started first. */
    url: () => api,
    /** Every copy of every event, as it came from the queue. */
    copies: () => observer?.events ?? [],
    publish: messaging.publish,
    publishAll: messaging.publishAll,
    deadLetters: messaging.deadLetters,
    get,
    order,
    startApp,
    pathOf,
    statusOf,
    statusWhen,
    eventsOf,
    allEventsOf,
    kindsOf: (key: RequestKey) => eventsOf(key).map((event) => event.kind),
    /** Further things to undo, in reverse order, before all above. */
    defer: (release: () => Promise<unknown>) => stack.defer(async () => void (await release())),
    /** A project that no other test of the file uses. */
    newProject: () => {
      projects += 1
      return `project-${projects}`
    },
    /** The status once the request has ended. */
    ended: (key: RequestKey) =>
      statusWhen(key, (status) => expect(isTerminal(status.state), JSON.stringify(status)).toBe(true)),
    historyOf: async (key: RequestKey) => (await get<HistoryReply>(`${pathOf(key)}/history`)).body.history,
    /** The dead letter of this message id, once it is there. */
    deadLetterOf: (messageId: string): Promise<DeadLetterRecord> =>
      eventually(() => {
        const found = messaging.deadLetters().find((letter) => letter.properties.messageId === messageId)
        if (found === undefined) throw new Error(`no dead letter ${messageId}`)
        return found
      }),
    /** The batch-create calls of a project, in order of arrival. */
    calls: (project: string) => simulator.ledger.calls({ operation: 'RunInstances', project }),
    /** Those of them that created instances. */
    creations: (project: string) =>
      simulator.ledger
        .calls({ operation: 'RunInstances', project })
        .filter((call) => call.instance_ids.length > 0),
    metric: async (name: string, base = api): Promise<number> => {
      const { body } = await get<string>('/metrics', base)
      const values = body.split('\n').filter((line) => line.startsWith(`provisioner_${name}`))
      return values.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
    },
    close: () => stack.disposeAsync(),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
