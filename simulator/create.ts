import { v7 as uuidv7 } from 'uuid'
import type { FaultPlan } from './faults.ts'
import type { Settings } from './options.ts'
import { type Random, streams } from './random.ts'
import { invalid, type Reply, refusal, serversNotFound, serversNotReady } from './reply.ts'
import type { Order } from './validate.ts'
import type { World, Worlds } from './world.ts'

export type Creation = { ok: true; ids: string[] } | { ok: false; reply: Reply }

/**
 * Carries out a checked order: all or nothing, and in one synchronous step, which is the lock that keeps
 * concurrent batches on disjoint servers. `call` is the ledger's number of the call; a `plan` of kind `late` or `boot`
 * decides what is otherwise drawn.
 */
export function createInstances(
  deps: { settings: Settings; random: Random; worlds: Worlds },
  world: World,
  order: Order,
  { call, now, plan }: { call: number; now: number; plan: FaultPlan | null },
): Creation {
  const { settings, random, worlds } = deps
  const stray = order.spec.network_interfaces.findIndex(
    ({ subnet_id }) => (settings.subnets[subnet_id] ?? order.spec.vpc_id) !== order.spec.vpc_id,
  )
  if (stray >= 0) {
    const field = `network_interfaces[${stray}].subnet_id`
    return { ok: false, reply: invalid(`${field} (belongs to another VPC than vpc_id)`) }
  }
  const servers = order.servers === null ? takeIdle(deps, world, order) : takeNamed(world, order.servers)
  if (!servers.ok) return servers
  const fixedLate = plan?.kind === 'late' ? plan.visible_after_ms : undefined
  const boot = plan?.kind === 'boot' ? plan : null
  const drawnLate =
    settings.visibleLateProbability > 0 &&
    random.draw(streams.lateBatch, call) < settings.visibleLateProbability
  const ids = servers.indexes.map((index, place) => {
    const seq = worlds.nextSeq()
    const late = drawnLate
      ? random.between(streams.lateInstance, seq, settings.visibleLateMinMs, settings.visibleLateMaxMs)
      : 0
    const bootMs =
      boot?.boot_ms ?? random.between(streams.bootTime, seq, settings.bootMinMs, settings.bootMaxMs)
    const fails = random.draw(streams.bootFailure, seq) < settings.bootFailureProbability
    const instance = worlds.add(world, {
      id: uuidv7(),
      project: world.project,
      serverId: world.inventory.idOf(index),
      call,
      spec: order.spec,
      createdAt: now,
      bootAt: now + bootMs,
      bootFails: boot?.boot_failures === undefined ? fails : place < boot.boot_failures,
      stoppedAt: null,
      deletedAt: null,
      goneAt: null,
      visibleAt: now + (fixedLate ?? late),
    })
    return instance.id
  })
  return { ok: true, ids }
}

type Taken = { ok: true; indexes: number[] } | { ok: false; reply: Reply }

/** Policy 1, selected servers: each must exist, then each must be ready and not frozen. */
function takeNamed({ inventory }: World, ids: readonly string[]): Taken {
  const indexes: number[] = []
  const unknown: string[] = []
  const busy: string[] = []
  for (const id of ids) {
    const index = inventory.indexOf(id)
    if (index === undefined) unknown.push(id)
    else if (inventory.stateOf(index) !== 'ready' || inventory.frozenOf(index) !== 0) busy.push(id)
    else indexes.push(index)
  }
  if (unknown.length > 0) return { ok: false, reply: serversNotFound(unknown) }
  if (busy.length > 0) return { ok: false, reply: serversNotReady(busy) }
  for (const index of indexes) inventory.setState(index, 'in-use')
  return { ok: true, indexes }
}

/** Policy 2, random: as many as possible up to the maximum, none below the minimum. */
function takeIdle(
  { settings, random }: { settings: Settings; random: Random },
  world: World,
  order: Order,
): Taken {
  const idle = world.inventory.idle()
  if (idle < order.min) {
    const message = `Physical servers state is not ready: ${idle} idle servers, fewer than min_count ${order.min}`
    return { ok: false, reply: refusal(settings.tooFewStatus, settings.tooFewCode, message) }
  }
  const indexes = world.inventory.takeIdle(Math.min(idle, order.max), () => {
    world.choices += 1
    return random.draw(streams.serverChoice, world.choices)
  })
  return { ok: true, indexes }
}
