import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { collectEvidence } from '../../checker/collect.ts'
import { type EventObserver, observeEvents } from '../../checker/event-observer.ts'
import { judge } from '../../checker/judge.ts'
import { createLedgerReader } from '../../checker/ledger-reader.ts'
import { settle } from '../../dev/chaos/settling.ts'
import { accessBy } from '../../dev/demo/access.ts'
import { draftMessages } from '../../dev/demo/messages.ts'
import { createReleasers, createService, fillInventory, startCloud } from '../../dev/demo/stage.ts'
import { createMessagePublisher, type MessagePublisher } from '../../dev/publisher.ts'
import type { ReplicaProcess } from '../../dev/replicas.ts'
import { createSeededRandom } from '../../dev/seeded-random.ts'
import { createRunFolder } from '../../dev/servers/run-folder.ts'
import type { SimulatorProcess } from '../../dev/simulator-process.ts'
import { STEPS, type Step } from '../../src/runtime/steps.ts'
import { createTestBroker } from '../support/broker.ts'
import { createTestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'

/** Messages per step: some requests of each kind. */
const SHARE = 8
const PACE = { rate: 50, burst: 20 }
/** A bound on hangs. */
const READY_MS = 60_000

const batch = draftMessages({
  count: STEPS.length * SHARE,
  projectIds: ['project-1', 'project-2'],
  random: createSeededRandom(1),
  secretPrefix: `Cn9-${randomBytes(3).toString('hex')}-`,
  now: new Date(),
})
const perStep = Math.ceil(batch.messages.length / STEPS.length)

const releasers = createReleasers()
let urls: { databaseUrl: string; amqpUrl: string }
let simulator: SimulatorProcess
let observer: EventObserver
let publisher: MessagePublisher
const access = accessBy('token', batch.secret, 'project-1')
let replica: ReplicaProcess

beforeAll(async () => {
  const database = await createTestDatabase()
  releasers.add(database.drop)
  const broker = await createTestBroker()
  releasers.add(broker.drop)
  urls = { databaseUrl: database.url, amqpUrl: broker.url }
  const folder = createRunFolder()
  releasers.add(folder.remove)
  simulator = await startCloud({ folder, seed: 1, pace: PACE, access })
  await fillInventory(simulator, batch)
  observer = await observeEvents(broker.url)
  releasers.add(observer.stop)
  publisher = createMessagePublisher({ url: broker.url })
  releasers.add(publisher.close)
  const replicas = await createService({
    folder,
    count: 1,
    pace: PACE,
    access,
    addresses: { ...urls, cloudUrl: simulator.url },
    settings: { LEASE_MS: '1000', RECONCILE_SETTLE_MS: '1500', POLL_MIN_MS: '300', POLL_MAX_MS: '1000' },
  })
  releasers.add(replicas.stop)
  const [first] = replicas.all
  if (first === undefined) throw new Error('there is no replica')
  replica = first
  // Its first start declares the queues: before, a message would be confirmed and go nowhere.
  replica.start()
  await replica.ready(READY_MS)
})
afterAll(() => releasers.run())

/** Every kind of work for the replica that is up, so that it comes by every step; one answer gets lost. */
async function publishShareOf(step: Step): Promise<void> {
  const from = STEPS.indexOf(step) * perStep
  await simulator.admin('POST', 'faults', { kind: 'cut_after', operation: 'RunInstances' })
  await Promise.all(batch.messages.slice(from, from + perStep).map(publisher.publish))
}

describe('a replica that is killed', () => {
  it.each(STEPS)('at %s comes back and goes on', async (step) => {
    await replica.kill()
    replica.start({ CHAOS_FAULT_PLAN: `${step}:1:kill` })
    await publishShareOf(step)
    await eventually(() => expect(replica.isRunning()).toBe(false))
    expect(replica.log()).not.toContain('"level":60')
  })

  it('at every step has lost, doubled, forgotten and leaked nothing in the end', async () => {
    replica.start()
    await replica.ready(READY_MS)
    const settled = await settle({
      urls,
      requests: STEPS.length * SHARE,
      deadLetters: batch.invalid + batch.conflicts,
      events: () => observer.events.length,
      stallMs: 40_000,
      onLook: () => undefined,
      signal: new AbortController().signal,
    })
    const evidence = await collectEvidence({
      ...urls,
      apiUrls: [replica.url],
      apiKey: null,
      ledger: createLedgerReader(simulator.admin),
      events: observer.events,
      published: publisher.published,
      limit: { perSecond: PACE.rate, burst: PACE.burst },
      secrets: [...batch.secrets, batch.secret],
      logs: [{ source: 'log', text: replica.log() }],
    })
    const { violations, unexpected } = judge(evidence)
    expect(
      Object.entries(violations).flatMap(([name, list]) => list.map((one) => ({ name, ...one }))),
    ).toEqual([])
    expect(unexpected).toEqual([])
    expect(settled).toBe(true)
  })
})
