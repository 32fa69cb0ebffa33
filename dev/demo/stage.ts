import { randomBytes } from 'node:crypto'
import type { LedgerReader } from '../checker/ledger-reader.ts'
import { createReplicas, type Replicas } from '../replicas.ts'
import { createRunFolder, type RunFolder } from '../servers/run-folder.ts'
import { type Servers, startServers } from '../servers.ts'
import { type SimulatorProcess, startSimulator } from '../simulator-process.ts'
import type { DemoOptions } from './options.ts'
import type { NamedServers } from './orders.ts'

/** Everything that a demo runs on, and what undoes it. */
export interface Stage {
  databaseUrl: string
  amqpUrl: string
  simulator: SimulatorProcess
  ledger: LedgerReader
  replicas: Replicas
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
  log: (line: string) => void,
): Promise<{ servers: Servers; databaseUrl: string; amqpUrl: string }> {
  const servers = await startServers({ log })
  releasers.add(servers.stop)
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
export async function startCloud({
  folder,
  options,
  token,
}: {
  folder: RunFolder
  options: DemoOptions
  token: string
}): Promise<SimulatorProcess> {
  return startSimulator({
    folder,
    knobs: {
      SIM_SEED: String(options.seed),
      SIM_AUTH_TOKENS: token,
      SIM_LIMITER_KIND: 'token_bucket',
      SIM_LIMITER_RATE: String(options.rate),
      SIM_LIMITER_BURST: String(options.burst),
      SIM_LIMIT_SCOPE: 'all',
      SIM_LATENCY_MIN_MS: '10',
      SIM_LATENCY_MAX_MS: '60',
      SIM_BOOT_MIN_MS: '400',
      SIM_BOOT_MAX_MS: '1800',
      SIM_BOOT_FAILURE_PROBABILITY: '0.03',
    },
  })
}

/** Servers enough for every order: those that orders name, and `free` for the others. */
export async function fillInventory(
  simulator: SimulatorProcess,
  servers: ReadonlyMap<string, NamedServers>,
  free: ReadonlyMap<string, number>,
): Promise<void> {
  for (const [projectId, { reserved, inRepair }] of servers) {
    const ordinary = Array.from({ length: free.get(projectId) ?? 0 }, () => ({ id: randomServerId() }))
    const inventory = [
      ...ordinary,
      // In arrears: never chosen at random, and still there for those who name it.
      ...reserved.map((id) => ({ id, frozen_state: 4 })),
      ...inRepair.map((id) => ({ id, manage_state: 'maintain' })),
    ]
    await simulator.admin('PUT', `inventory/${encodeURIComponent(projectId)}`, { servers: inventory })
  }
}

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
export function startReplicas({
  folder,
  options,
  token,
  stage,
}: {
  folder: RunFolder
  options: DemoOptions
  token: string
  stage: Pick<Stage, 'databaseUrl' | 'amqpUrl' | 'simulator'>
}): Promise<Replicas> {
  return createReplicas({
    folder,
    count: options.replicas,
    environment: {
      DATABASE_URL: stage.databaseUrl,
      AMQP_URL: stage.amqpUrl,
      CLOUDDC_ENDPOINT: stage.simulator.url,
      CLOUDDC_AUTH_TOKEN: token,
      SECRET_KEYS: `demo:${randomBytes(32).toString('base64')}`,
      RATE_LIMIT_PER_SECOND: String(options.rate),
      RATE_LIMIT_BURST: String(options.burst),
      READINESS_SHARE_PERCENT: '5',
      CALL_TIMEOUT_MS: '5000',
      RECONCILE_SETTLE_MS: '2000',
      POLL_MIN_MS: '500',
      POLL_MAX_MS: '2000',
      LEASE_MS: '5000',
    },
  })
}

function randomServerId(): string {
  const hex = randomBytes(16).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`
}
