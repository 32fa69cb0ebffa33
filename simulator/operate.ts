import { isUtf8 } from 'node:buffer'
import { type Creation, createInstances } from './create.ts'
import type { FaultPlan } from './faults.ts'
import type { Iam } from './iam.ts'
import type { Call } from './ledger.ts'
import { type Instance, stateOf, statusOf } from './lifecycle.ts'
import { type Bend, forgotten, listInstances } from './list-instances.ts'
import type { Metadata } from './metadata.ts'
import { misname } from './misnaming.ts'
import type { Settings } from './options.ts'
import { type Random, streams } from './random.ts'
import { gatewayRefusal, instancesNotFound, invalid, noContent, type Reply, reply } from './reply.ts'
import type { Route } from './routes.ts'
import { countServers, listServers, showServer } from './servers.ts'
import type { WireCall } from './signature.ts'
import { type Checked, checkBatchCreate, checkBatchDelete, checkCreate, type Order } from './validate.ts'
import { startDelete, type World, type Worlds } from './world.ts'

export type Operate = (work: {
  call: Call
  route: Route
  wire: WireCall
  /** The region of the port that it came to. */
  region: string
  plan: FaultPlan | null
  now: number
}) => Reply

/** The work of every operation: one synchronous step from request to answer, which also notes it in the ledger. */
export function createOperate(deps: {
  settings: Settings
  random: Random
  worlds: Worlds
  iam: Iam
  metadata: Metadata
}): Operate {
  const { settings, random, worlds, iam, metadata } = deps

  const create = (
    world: World,
    checked: Checked<Order>,
    { call, plan, now }: { call: Call; plan: FaultPlan | null; now: number },
  ): Creation => {
    if (!checked.ok) return checked
    const { spec, servers, min, max } = checked.value
    call.asked = { name: spec.name, min_count: min, max_count: max, servers }
    const creation = createInstances(deps, world, checked.value, { call: call.n, now, plan })
    if (creation.ok) call.instance_ids = creation.ids
    else call.bound_to_fail = true
    return creation
  }

  /** All or none; an instance already on its way out counts as not found. */
  const remove = (world: World, ids: readonly string[], now: number): Reply | null => {
    const found = ids.map((id) => instanceOf(world, id))
    const unknown = ids.filter((_, index) => found[index] === undefined || found[index].goneAt !== null)
    if (unknown.length > 0) return instancesNotFound(unknown)
    for (const instance of found as Instance[]) {
      const { deleteMinMs, deleteMaxMs } = settings
      const goneAt = now + random.between(streams.deleteTime, instance.seq, deleteMinMs, deleteMaxMs)
      startDelete(world, instance, now, goneAt)
    }
    return null
  }

  return ({ call, route, wire, region, plan, now }) => {
    const { operation, project, id, query } = route
    if (operation === 'Unknown') {
      return gatewayRefusal(
        404,
        'APIGW.0101',
        'The API does not exist or has not been published',
        call.request_id,
      )
    }
    const parsed = call.method === 'POST' ? parseJson(wire.body) : { value: undefined }
    const asked = { call, wire, query, body: parsed?.value, region, now }
    if (operation === 'CreateToken') return iam.createToken(asked)
    if (operation === 'CreateTokenByIdToken') return iam.createTokenByIdToken(asked)
    if (operation === 'CreateTemporaryKey') return iam.createTemporaryKey(asked)
    if (operation === 'ListProjects') return iam.listProjects(asked)
    if (operation === 'CreateMetadataSession') return metadata.createSession(wire, now)
    if (operation === 'ShowSecurityKey') return metadata.showKey(wire, call, now)
    if (parsed === null) return invalid('body (JSON in UTF-8)')
    const world = worlds.of(project, now)
    switch (operation) {
      case 'RunInstances': {
        const made = create(world, checkBatchCreate(parsed.value), { call, plan, now })
        if (!made.ok) return made.reply
        const named = plan?.kind === 'misname' ? misname(made.ids, plan.names) : made.ids
        return reply(202, { instances: named.map((id) => ({ id })) })
      }
      case 'CreateInstance': {
        const made = create(world, checkCreate(parsed.value), { call, plan, now })
        return made.ok ? reply(202, { instance_id: made.ids[0] }) : made.reply
      }
      case 'ListInstances': {
        const bend = bendOf(plan)
        return listInstances(world, new URLSearchParams(query), { settings, now, bend })
      }
      case 'ShowInstanceStatus': {
        const instance = instanceOf(world, id)
        if (!instance || forgotten(instance, settings, now)) return instancesNotFound([id])
        return reply(200, statusOf(instance, now))
      }
      case 'DeleteInstance':
        return remove(world, [id], now) ?? noContent()
      case 'DeleteInstances': {
        const ids = checkBatchDelete(parsed.value)
        if (!ids.ok) return ids.reply
        return (
          remove(world, ids.value, now) ?? reply(202, { instances: ids.value.map((gone) => ({ id: gone })) })
        )
      }
      case 'ListServers':
        return listServers(world, new URLSearchParams(query), bendOf(plan))
      case 'ShowServer':
        return showServer(world, id)
      case 'CountServers':
        return countServers(world)
    }
  }
}

function instanceOf(world: World, id: string): Instance | undefined {
  const position = world.positions.get(id)
  return position === undefined ? undefined : world.instances[position]
}

function bendOf(plan: FaultPlan | null): Bend | null {
  if (plan?.kind === 'truncate') return { keep: plan.keep, end: plan.end }
  return plan?.kind === 'hide' ? { newerThanMs: plan.newer_than_ms } : null
}

/** null: no JSON. A text that is not UTF-8 would otherwise be mended in silence. */
function parseJson(body: Uint8Array): { value: unknown } | null {
  if (!isUtf8(body)) return null
  try {
    return { value: JSON.parse(Buffer.from(body).toString()) }
  } catch {
    return null
  }
}

/** Instances per state, for the statistics. */
export function countStates(instances: readonly Instance[], now: number): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const instance of instances) {
    const state = stateOf(instance, now)
    counts[state] = (counts[state] ?? 0) + 1
  }
  return counts
}
