import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { collectEvidence } from '../../checker/collect.ts'
import { observeEvents } from '../../checker/event-observer.ts'
import type { Evidence } from '../../checker/evidence.ts'
import { judge } from '../../checker/judge.ts'
import { createLedgerReader } from '../../checker/ledger-reader.ts'
import type { Verdict } from '../../checker/verdict.ts'
import { migrate } from '../../src/database/migrate.ts'
import { drawApiKey } from '../demo/api-key.ts'
import { type Batch, draftMessages } from '../demo/messages.ts'
import { type Report, reportOf } from '../demo/report.ts'
import type { Screen } from '../demo/screen.ts'
import {
  createService,
  fillInventory,
  openRunFolder,
  type Pace,
  type Releasers,
  startBackingServers,
  startCloud,
} from '../demo/stage.ts'
import { createSteps } from '../demo/steps.ts'
import { createMessagePublisher, type MessagePublisher } from '../publisher.ts'
import { createSeededRandom } from '../seeded-random.ts'
import { keysNeeded } from './credential-plan.ts'
import { chaosAccess, PROJECTS, projectIds } from './credentials.ts'
import { createCrew } from './crew.ts'
import { createNemesis } from './nemesis.ts'
import type { ChaosOptions } from './options.ts'
import { type FaultKind, planFaults } from './plan.ts'
import { startProxies } from './proxies.ts'
import { lookAround, type Standing, settle } from './settling.ts'
import { brokenReplicas, describeFaults, describeStanding, endedByItself, pointFaults } from './telling.ts'

const LEASE_MS = 3000
/** Everything that waits minutes in production waits seconds here. */
const SETTINGS = {
  LEASE_MS: String(LEASE_MS),
  RECONCILE_SETTLE_MS: '4000',
  CALL_TIMEOUT_MS: '3000',
  POLL_MIN_MS: '500',
  POLL_MAX_MS: '2000',
}
const MIN_DURATION_MS = 20_000
const MS_PER_KILL = 1500
/** Faults cost time: the orders get this much more than their call limit asks for. */
const SLACK = 2
/** The last messages come before the last faults. */
const PUBLISHING_SHARE = 0.85
const LOOK_MS = 2000
const STALL_MS = 150_000

export interface ChaosContext {
  options: ChaosOptions
  screen: Screen
  releasers: Releasers
  signal: AbortSignal
}

export interface ChaosResult {
  report: Report
  verdict: Verdict
  evidence: Evidence
  /** Faults done, by kind. */
  faults: Record<string, number>
}

/** One run: faults while messages come in, then calm, then judgement. */
export async function runChaos({ options, screen, releasers, signal }: ChaosContext): Promise<ChaosResult> {
  const { seed, requests, replicas: count, rate, burst } = options
  const pace: Pace = { rate, burst }
  const durationMs = durationOf(options)
  const batch = draftBatch(options)
  const apiKey = drawApiKey()
  const steps = createSteps({ screen, signal })
  const log = (line: string) => screen.line(`  ${line}`)

  const { servers, databaseUrl, amqpUrl } = await steps.run('PostgreSQL and RabbitMQ', (detail) =>
    startBackingServers(releasers, { log: detail, durable: true }),
  )
  const plan = planFaults({
    seed,
    durationMs,
    kills: options.kills,
    replicas: count,
    projects: PROJECTS,
    leaseMs: LEASE_MS,
    faults: possibleFaults(options.faults, servers.kind),
  })
  const keys = keysNeeded(plan.map(({ fault }) => fault))
  const access = chaosAccess(options.auth, { secret: batch.secret, keys, pace })
  const world = await steps.run('tables, CloudDC simulator, proxies, replicas', async () => {
    await migrate({ databaseUrl })
    const folder = openRunFolder(releasers)
    const simulator = await startCloud({ folder, seed, pace, access })
    await fillInventory(simulator, batch)
    const proxies = startProxies()
    releasers.add(proxies.close)
    const addresses = {
      databaseUrl: await proxies.open('postgres', databaseUrl),
      amqpUrl: await proxies.open('rabbitmq', amqpUrl),
      cloudUrl: (await proxies.open('cloud', simulator.url)).replace(/\/$/, ''),
    }
    const observer = await observeEvents(amqpUrl)
    releasers.add(observer.stop)
    const replicas = await createService({
      folder,
      count,
      pace,
      access,
      apiKey,
      addresses,
      settings: SETTINGS,
    })
    const crew = createCrew({
      replicas,
      seed,
      leaseMs: LEASE_MS,
      withPoints: options.faults.includes('points'),
    })
    releasers.add(async () => crew.stop())
    await crew.start()
    return { simulator, proxies, observer, replicas, crew }
  })
  const { simulator, proxies, observer, replicas, crew } = world
  const publisher = createMessagePublisher({ url: amqpUrl })
  releasers.add(publisher.close)

  const faults = new Map<string, number>()
  const nemesis = createNemesis({
    crew,
    servers,
    databaseUrl,
    proxies,
    simulator,
    access,
    projectIds: projectIds(),
    onFault: (name) => faults.set(name, (faults.get(name) ?? 0) + 1),
  })
  log(`${plan.length} faults planned over ${(durationMs / 1000).toFixed(0)} s`)

  const startedAt = performance.now()
  const elapsed = () => (performance.now() - startedAt) / 1000
  const tell = (standing: Standing) => {
    const line = describeStanding(standing, elapsed(), requests, faults)
    if (screen.live) screen.draw([line.slice(0, 78)])
    else log(line)
  }
  const watching = new AbortController()
  const watched = watch({ databaseUrl, amqpUrl }, tell, AbortSignal.any([watching.signal, signal]))
  const sent = publishAll(publisher, batch, durationMs * PUBLISHING_SHARE, signal)
  await nemesis.carryOut(plan, signal)
  watching.abort()
  await watched
  signal.throwIfAborted()
  log(`faults over after ${elapsed().toFixed(0)} s: ${describeFaults(faults)}; settling`)
  await nemesis.calm()
  await sent
  const settled = await settle({
    urls: { databaseUrl, amqpUrl },
    requests,
    deadLetters: batch.invalid + batch.conflicts,
    events: () => observer.events.length,
    stallMs: STALL_MS,
    onLook: everyNth(4, tell),
    signal,
  })
  screen.settle()
  if (!settled) log(`nothing has moved for ${STALL_MS / 1000} s: judging what there is`)
  const seconds = elapsed()

  const { secrets: issued } = await simulator.admin<{ secrets: string[] }>('GET', 'secrets')
  const { userLimit } = access
  const evidence = await collectEvidence({
    databaseUrl,
    amqpUrl,
    apiUrls: replicas.all.map(({ url }) => url),
    apiKey: apiKey.key,
    ledger: createLedgerReader(simulator.admin),
    events: observer.events,
    published: publisher.published.map(asOpenEnded),
    limit: { perSecond: rate, burst },
    ...(userLimit && { userLimit: { perSecond: userLimit.rate, burst: userLimit.burst } }),
    secrets: [...batch.secrets, ...access.secrets, apiKey.key, ...issued],
    logs: replicas.all.map((replica) => ({ source: `log of ${replica.name}`, text: replica.log() })),
  })
  const judged = judge(evidence)
  const broken = [...brokenReplicas(evidence), ...(crew.pointsHit()['by itself'] ? [endedByItself] : [])]
  const unexpected = [...judged.unexpected, ...broken]
  const verdict = { ...judged, unexpected, ok: judged.ok && broken.length === 0 }
  const report = reportOf({ evidence, verdict, eventCounts: observer.counts(), seconds })
  return {
    report,
    verdict,
    evidence,
    faults: { ...Object.fromEntries(faults), ...pointFaults(crew.pointsHit()) },
  }
}

function durationOf({ minutes, kills, requests, rate, faults }: ChaosOptions): number {
  if (minutes !== null) return minutes * 60_000
  const killing = faults.includes('kill') ? kills * MS_PER_KILL : 0
  const ordering = (requests / PROJECTS / rate) * 1000 * SLACK
  return Math.max(MIN_DURATION_MS, killing, ordering)
}

function draftBatch({ requests, seed }: ChaosOptions): Batch {
  return draftMessages({
    count: requests,
    projectIds: projectIds(),
    random: createSeededRandom(seed),
    secretPrefix: `Cn9-${randomBytes(3).toString('hex')}-`,
    now: new Date(),
  })
}

/** Servers that were given by their URL are not ours to harm. */
function possibleFaults(
  faults: readonly FaultKind[],
  kind: { postgres: string | undefined; rabbitmq: string | undefined },
): FaultKind[] {
  return faults.filter(
    (fault) => !((fault === 'postgres' || fault === 'rabbitmq') && kind[fault] === 'given'),
  )
}

/** Under faults an order may also be given up after its last attempt: any end that the ledger justifies will do. */
function asOpenEnded(message: Evidence['published'][number]): Evidence['published'][number] {
  return message.expect.kind === 'creates' ? { ...message, expect: { kind: 'open' } } : message
}

/** Messages in their order, a few at a time, spread over `overMs`. */
async function publishAll(
  publisher: MessagePublisher,
  { messages }: Batch,
  overMs: number,
  signal: AbortSignal,
): Promise<void> {
  const startedAt = performance.now()
  const confirmations: Promise<void>[] = []
  for (const [index, message] of messages.entries()) {
    const wait = startedAt + (index / messages.length) * overMs - performance.now()
    if (wait > 20) await delay(wait, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    confirmations.push(publisher.publish(message))
  }
  await Promise.all(confirmations)
}

async function watch(
  urls: { databaseUrl: string; amqpUrl: string },
  tell: (standing: Standing) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const standing = await lookAround(urls).catch(() => undefined)
    if (standing !== undefined) tell(standing)
    await delay(LOOK_MS, undefined, { signal }).catch(() => undefined)
  }
}

function everyNth<Item>(nth: number, action: (item: Item) => void): (item: Item) => void {
  let calls = 0
  return (item) => {
    calls += 1
    if (calls % nth === 1) action(item)
  }
}
