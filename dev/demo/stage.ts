import { randomBytes } from 'node:crypto'
import type { LedgerReader } from '../../checker/ledger-reader.ts'
import { createReplicas, type Replicas } from '../replicas.ts'
import { createRunFolder, type RunFolder } from '../servers/run-folder.ts'
import { type Servers, startServers } from '../servers.ts'
import { type SimulatorProcess, startSimulator } from '../simulator-process.ts'
import type { Access } from './access.ts'
import type { ApiKey } from './api-key.ts'
import type { Batch } from './messages.ts'

/** Everything that a demo runs on, and what undoes it. */
export interface Stage {
  databaseUrl: string
  amqpUrl: string
  simulator: SimulatorProcess
  ledger: LedgerReader
  replicas: Replicas
  apiKey: ApiKey
}

/** The call limit of each project: per second, and at once. */
export interface Pace {
  rate: number
  burst: number
}

/** Undoes in the reverse order of doing, whatever fails on the way. */
export interface Releasers {
  add(release: () => Promise<unknown>): void
  run(): Promise<void>
}

export function createReleasers(): Releasers {
  const releases: (() => Promise<unknown>)[] = []
  return {
    add: (release) => releases.push(release),
    run: async () => {
      let failure: { error: unknown } | undefined
      for (let release = releases.pop(); release; release = releases.pop()) {
        await release().catch((error: unknown) => {
          failure ??= { error }
        })
      }
      if (failure) throw failure.error
    },
  }
}

/** Servers, side by side. What is started is released by `releasers`, also when the start is cut short. */
export async function startBackingServers(
  releasers: Releasers,
  { log, durable = false }: { log: (line: string) => void; durable?: boolean },
): Promise<{ servers: Servers; databaseUrl: string; amqpUrl: string }> {
  const starting = startServers({ log, durable, virtualHosts: 1 })
  // Also when the start is cut short: what is on its way up has to come up before it can be stopped.
  releasers.add(() =>
    starting.then(
      ({ stop }) => stop(),
      () => undefined,
    ),
  )
  const servers = await starting
  const [database, vhost] = await Promise.all([servers.createDatabase(), servers.createVhost()])
  // Private servers go as a whole; those given by a URL stay, without what this run made there.
  if (servers.kind.postgres === 'given') releasers.add(database.drop)
  if (servers.kind.rabbitmq === 'given') releasers.add(vhost.drop)
  return { servers, databaseUrl: database.url, amqpUrl: vhost.url }
}

export function openRunFolder(releasers: Releasers): RunFolder {
  const folder = createRunFolder()
  releasers.add(folder.remove)
  return folder
}

/** The cloud: paced like the service is told to pace itself, but by its own count; servers need a moment to boot. */
export function startCloud({
  folder,
  seed,
  pace,
  access,
  knobs = {},
}: {
  folder: RunFolder
  seed: number
  pace: Pace
  access: Access
  knobs?: Readonly<Record<string, string>>
}): Promise<SimulatorProcess> {
  return startSimulator({
    folder,
    knobs: {
      SIM_SEED: String(seed),
      ...access.knobs,
      SIM_LIMITER_KIND: 'token_bucket',
      SIM_LIMITER_RATE: String(pace.rate),
      SIM_LIMITER_BURST: String(pace.burst),
      SIM_LIMIT_SCOPE: 'all',
      SIM_LATENCY_MIN_MS: '10',
      SIM_LATENCY_MAX_MS: '60',
      SIM_BOOT_MIN_MS: '400',
      SIM_BOOT_MAX_MS: '1800',
      SIM_BOOT_FAILURE_PROBABILITY: '0.03',
      ...knobs,
    },
  })
}

/** Servers enough for every order: those that orders name, as many as all others could want, and some to spare. */
export async function fillInventory(simulator: SimulatorProcess, batch: Batch): Promise<void> {
  const wanted = new Map<string, number>()
  for (const { projectId, order } of batch.messages) {
    if (projectId === null || order === null || order.servers !== null) continue
    wanted.set(projectId, (wanted.get(projectId) ?? SPARE_SERVERS) + order.max)
  }
  for (const [projectId, { reserved, inRepair }] of batch.servers) {
    const ordinary = Array.from({ length: wanted.get(projectId) ?? 0 }, () => ({ id: randomServerId() }))
    const inventory = [
      ...ordinary,
      ...reserved.map((id) => ({ id, reserved: true })),
      ...inRepair.map((id) => ({ id, manage_state: 'maintain' })),
    ]
    await simulator.admin('PUT', `inventory/${encodeURIComponent(projectId)}`, { servers: inventory })
  }
}

const SPARE_SERVERS = 20

/** How answers get lost on the way: after the work, instead of it, and before it. */
const LOST_ANSWERS = ['cut_after', 'cut_before', 'error_after', 'cut_half'] as const
const LOST_SHARE = 0.01

/** Takes some answers from the service, early in the run: whether servers were ordered it then has to find out. */
export async function loseAnswers(simulator: SimulatorProcess, requests: number): Promise<number> {
  const count = requests < 20 ? 0 : Math.max(2, Math.round(requests * LOST_SHARE))
  const scripts = Array.from({ length: count }, (_, index) => ({
    kind: LOST_ANSWERS[index % LOST_ANSWERS.length],
    operation: 'RunInstances',
    skip: 3 + Math.floor((index / count) * requests * 0.3),
  }))
  if (count > 0) await simulator.admin('POST', 'faults', scripts)
  return count
}

/** The service as in production, but for the pace: what waits minutes there waits seconds here. */
export function createService({
  folder,
  count,
  pace,
  access,
  apiKey = null,
  addresses,
  settings = {},
}: {
  folder: RunFolder
  /** Processes. */
  count: number
  pace: Pace
  access: Access
  /** What its callers show; null: everybody may do everything. */
  apiKey?: ApiKey | null
  addresses: { databaseUrl: string; amqpUrl: string; cloudUrl: string }
  settings?: Readonly<Record<string, string>>
}): Promise<Replicas> {
  return createReplicas({
    folder,
    count,
    environment: {
      DATABASE_URL: addresses.databaseUrl,
      AMQP_URL: addresses.amqpUrl,
      CLOUDDC_ENDPOINT: addresses.cloudUrl,
      ...access.settings({ folder: folder.path, cloudUrl: addresses.cloudUrl }),
      ...apiKey?.settings(folder.path),
      SECRET_KEYS: `demo:${randomBytes(32).toString('base64')}`,
      RATE_LIMIT_PER_SECOND: String(pace.rate),
      RATE_LIMIT_BURST: String(pace.burst),
      READINESS_SHARE_PERCENT: '5',
      CALL_TIMEOUT_MS: '5000',
      RECONCILE_SETTLE_MS: '2000',
      POLL_MIN_MS: '500',
      POLL_MAX_MS: '2000',
      LEASE_MS: '5000',
      ...settings,
    },
  })
}

function randomServerId(): string {
  const hex = randomBytes(16).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`
}
