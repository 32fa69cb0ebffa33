import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { collectEvidence } from '../../checker/collect.ts'
import { type EventObserver, observeEvents } from '../../checker/event-observer.ts'
import { judge } from '../../checker/judge.ts'
import { createLedgerReader } from '../../checker/ledger-reader.ts'
import { migrate } from '../../src/database/migrate.ts'
import { createMessagePublisher, type MessagePublisher } from '../publisher.ts'
import { createSeededRandom } from '../seeded-random.ts'
import { accessBy } from './access.ts'
import { drawApiKey } from './api-key.ts'
import { type Batch, draftMessages } from './messages.ts'
import type { DemoOptions } from './options.ts'
import { createProgressReader, type Progress } from './progress.ts'
import { type Report, reportOf } from './report.ts'
import type { Screen } from './screen.ts'
import { SEALED_EVERY, sealMessages } from './seal-messages.ts'
import {
  createService,
  fillInventory,
  loseAnswers,
  openRunFolder,
  type Releasers,
  type Stage,
  startBackingServers,
  startCloud,
} from './stage.ts'
import { createSteps } from './steps.ts'
import { summarise } from './summary.ts'
import { describeProgress, drawProgress } from './view.ts'

const FRAME_MS = 200
const LINE_MS = 1000
/** Without any change for so long, the demo gives up and judges what there is. */
const STALL_MS = 60_000
const SETTLED_FRAMES = 3

export interface DemoContext {
  options: DemoOptions
  screen: Screen
  releasers: Releasers
  /** Ends the demo wherever it is. */
  signal: AbortSignal
}

/** Starts everything, sends requests on their way, shows them, judges them. What it starts, `releasers` undoes. */
export async function runDemo(context: DemoContext): Promise<{ report: Report; stage: Stage }> {
  const { options, screen, signal } = context
  const batch = draftMessages({
    count: options.requests,
    projectIds: projectIdsOf(options),
    random: createSeededRandom(options.seed),
    secretPrefix: `Cn9-${randomBytes(3).toString('hex')}-`,
    now: new Date(),
  })
  introduce(context, batch)
  const { stage, observer, publisher } = await setUp(context, batch)

  const messages = await sealMessages(batch.messages, stage.replicas.all[0]?.url ?? '')
  const startedAt = performance.now()
  for (const message of messages) publisher.publish(message).catch(() => undefined)
  await watch({ context, stage, observer, batch, startedAt })
  const seconds = (performance.now() - startedAt) / 1000

  signal.throwIfAborted()
  const { secrets: issued } = await stage.simulator.admin<{ secrets: string[] }>('GET', 'secrets')
  const evidence = await collectEvidence({
    databaseUrl: stage.databaseUrl,
    amqpUrl: stage.amqpUrl,
    apiUrls: stage.replicas.all.map(({ url }) => url),
    apiKey: stage.apiKey.key,
    ledger: stage.ledger,
    events: observer.events,
    published: publisher.published,
    limit: { perSecond: options.rate, burst: options.burst },
    secrets: [...batch.secrets, batch.secret, stage.apiKey.key, ...issued],
    logs: stage.replicas.all.map((replica) => ({ source: `log of ${replica.name}`, text: replica.log() })),
  })
  const verdict = judge(evidence)
  const report = reportOf({ evidence, verdict, eventCounts: observer.counts(), seconds })
  for (const line of summarise({ report, verdict, batch, options, paint: screen.paint })) screen.line(line)
  return { report, stage }
}

function projectIdsOf({ projects }: DemoOptions): string[] {
  return Array.from({ length: projects }, (_, index) => `project-${index + 1}`)
}

function introduce({ options, screen }: DemoContext, batch: Batch): void {
  const { requests, projects, rate, burst, replicas } = options
  const { paint } = screen
  const creating = requests / projects / rate
  const plural = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`
  screen.line()
  screen.line(paint('bold', '  Servers from CloudDC: ordered by message, each exactly once'))
  screen.line()
  screen.line(
    `  ${plural(requests, 'request')} over ${plural(projects, 'project')}, ${plural(replicas, 'replica')} of the service,`,
  )
  screen.line(`  ${rate} calls per second (${burst} at once) for each project; with them`)
  screen.line(
    `  ${batch.copies} duplicates, ${batch.conflicts} conflicting and ${batch.invalid} invalid messages.`,
  )
  screen.line(`  Of ${SEALED_EVERY} passwords, one comes sealed to a key of the service.`)
  screen.line()
  screen.line(
    paint(
      'dim',
      `  Starting takes about 15 s; the call limit makes the orders take ${Math.max(1, Math.ceil(creating))} s and more.`,
    ),
  )
  screen.line()
}

async function setUp(
  { options, screen, releasers, signal }: DemoContext,
  batch: Batch,
): Promise<{ stage: Stage; observer: EventObserver; publisher: MessagePublisher }> {
  const steps = createSteps({ screen, signal })
  const { databaseUrl, amqpUrl } = await steps.run('PostgreSQL and RabbitMQ', (detail) =>
    startBackingServers(releasers, { log: detail }),
  )
  await steps.run('tables', () => migrate({ databaseUrl }))
  const folder = openRunFolder(releasers)
  const apiKey = drawApiKey()
  const access = accessBy(options.auth, batch.secret, 'project-1')
  const simulator = await steps.run('CloudDC simulator, with a call limit of its own', async () => {
    const started = await startCloud({ folder, seed: options.seed, pace: options, access })
    await fillInventory(started, batch)
    await loseAnswers(started, options.requests)
    return started
  })
  const replicas = await steps.run(
    options.replicas === 1 ? 'the service' : `the service, ${options.replicas} processes`,
    async () => {
      const started = await createService({
        folder,
        count: options.replicas,
        pace: options,
        access,
        apiKey,
        addresses: { databaseUrl, amqpUrl, cloudUrl: simulator.url },
      })
      releasers.add(started.stop)
      for (const replica of started.all) replica.start()
      await Promise.all(started.all.map((replica) => replica.ready(60_000)))
      return started
    },
  )
  const observer = await observeEvents(amqpUrl)
  releasers.add(observer.stop)
  const publisher = createMessagePublisher({ url: amqpUrl })
  releasers.add(publisher.close)
  const ledger = createLedgerReader(simulator.admin)
  const stage = { databaseUrl, amqpUrl, simulator, ledger, replicas, apiKey }
  return { stage, observer, publisher }
}

/** Shows the progress until everything has ended and every event has arrived, or nothing moves any more. */
async function watch({
  context: { options, screen, releasers, signal },
  stage,
  observer,
  batch,
  startedAt,
}: {
  context: DemoContext
  stage: Stage
  observer: EventObserver
  batch: Batch
  startedAt: number
}): Promise<void> {
  const { databaseUrl, amqpUrl, ledger } = stage
  const projectIds = projectIdsOf(options)
  const reader = await createProgressReader({
    databaseUrl,
    amqpUrl,
    ledger,
    observer,
    projectIds,
    burst: options.burst,
  })
  releasers.add(reader.close)
  const dead = batch.invalid + batch.conflicts
  let settledFrames = 0
  let changedAt = performance.now()
  let lineAt = Number.NEGATIVE_INFINITY
  let last = ''
  for (;;) {
    const progress = await reader.read()
    const frame = { progress, requests: options.requests, seconds: (performance.now() - startedAt) / 1000 }
    screen.draw(drawProgress({ ...frame, paint: screen.paint }))
    const settled = isSettled(progress, options.requests, dead)
    settledFrames = settled ? settledFrames + 1 : 0
    const done = settledFrames >= SETTLED_FRAMES
    if (!screen.live && (done || performance.now() - lineAt >= LINE_MS)) {
      lineAt = performance.now()
      screen.line(`  ${describeProgress(frame)}`)
    }
    if (done) break
    const now = JSON.stringify([progress.states, progress.events, progress.calls, progress.deadLetters])
    if (now !== last) changedAt = performance.now()
    last = now
    if (performance.now() - changedAt > STALL_MS) {
      screen.settle()
      screen.line(`  Nothing has changed for ${STALL_MS / 1000} s: judging what there is.`)
      break
    }
    await delay(FRAME_MS, undefined, { signal })
  }
  screen.settle()
}

function isSettled(progress: Progress, requests: number, deadLetters: number): boolean {
  const { ended, outbox, onQueue } = progress
  return ended >= requests && outbox === 0 && onQueue === 0 && progress.deadLetters >= deadLetters
}
