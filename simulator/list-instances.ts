import { describeInstance, type Instance, type InstanceState, stateOf } from './lifecycle.ts'
import type { Settings } from './options.ts'
import { pageOf, readIds, readLimit } from './paging.ts'
import { invalid, type Reply, reply } from './reply.ts'
import type { World } from './world.ts'

/** How a fault bends one listing. */
export type Bend = {
  /** Most records on the page, or a share of the asked limit below 1. */
  keep?: number
  /** The shortened page claims to be the last one. */
  end?: boolean
  /** Instances created less than this many ms ago are left out. */
  newerThanMs?: number
}

const maxIds = 100

/** The filter's words: the request enum kept the old names when the states were renamed. */
const filterStates: Record<string, InstanceState | null> = {
  pending: 'pending',
  running: 'running',
  stopped: 'stopped',
  error: 'error',
  failed: 'error',
  'shutting-down': 'shutting-down',
  terminated: 'terminated',
  teminated: 'terminated',
  stopping: null,
  reinstalling: null,
}

/** Whether an instance is gone long enough to be forgotten by listings and status. */
export const forgotten = (instance: Instance, settings: Settings, now: number) =>
  instance.goneAt !== null &&
  now >= instance.goneAt + (settings.terminatedVisibleMs ?? Number.POSITIVE_INFINITY)

/** ListInstances. `count` is the number of all records that match, not only of this page. */
export function listInstances(
  world: World,
  query: URLSearchParams,
  { settings, now, bend }: { settings: Settings; now: number; bend: Bend | null },
): Reply {
  const limit = readLimit(query.get('limit'))
  if (limit === null) return invalid('limit (an integer)')
  const ids = readIds(query, 'instance_id')
  const servers = readIds(query, 'server_id')
  if (ids !== null && servers !== null) return invalid('instance_id (not together with server_id)')
  if ((ids?.length ?? 0) > maxIds) return invalid(`instance_id (at most ${maxIds} IDs)`)
  if ((servers?.length ?? 0) > maxIds) return invalid(`server_id (at most ${maxIds} IDs)`)
  const stateText = query.get('instance_state') || null
  const state = stateText === null ? undefined : filterStates[stateText]
  if (stateText !== null && state === undefined) return invalid('instance_state')
  const marker = query.get('marker') || null
  const start = marker === null ? 0 : (world.positions.get(marker) ?? -1) + 1
  if (marker !== null && start === 0) return invalid('marker (the ID of the last record of a page)')

  const listed = (instance: Instance) =>
    instance.visibleAt <= now &&
    !forgotten(instance, settings, now) &&
    (state === undefined || stateOf(instance, now) === state) &&
    now - instance.createdAt >= (bend?.newerThanMs ?? 0)
  const plain =
    state === undefined && !world.late && settings.terminatedVisibleMs === undefined && !bend?.newerThanMs

  const named = ids !== null ? byIds(world, ids) : servers !== null ? byServers(world, servers) : null
  const asked = bend?.keep === undefined ? limit : shortened(limit, bend.keep)
  if (named === null && plain) {
    const page = world.instances.slice(start, start + asked)
    return answer(page, start + asked < world.instances.length, world.instances.length, now, bend)
  }
  const matching = (named ?? world.instances).filter(listed)
  const rest =
    start === 0 ? matching : matching.filter((instance) => (world.positions.get(instance.id) ?? 0) >= start)
  return answer(rest.slice(0, asked), asked < rest.length, matching.length, now, bend)
}

function answer(
  page: readonly Instance[],
  more: boolean,
  count: number,
  now: number,
  bend: Bend | null,
): Reply {
  const ids = page.map(({ id }) => id)
  return reply(200, {
    instances: page.map((instance) => describeInstance(instance, now)),
    page_info: pageOf(ids, more && !bend?.end),
    count,
  })
}

/** A page that a fault shortens: a count of records, or a share of the limit when below 1. */
export const shortened = (limit: number, keep: number) =>
  Math.min(limit, keep < 1 ? Math.floor(limit * keep) : Math.floor(keep))

function byIds(world: World, ids: readonly string[]): Instance[] {
  const positions = new Set(ids.map((id) => world.positions.get(id) ?? -1))
  return inOrder(world, positions)
}

function byServers(world: World, servers: readonly string[]): Instance[] {
  const held = servers.flatMap((server) => world.byServer.get(server) ?? [])
  return inOrder(world, new Set(held.map(({ id }) => world.positions.get(id) ?? -1)))
}

function inOrder(world: World, positions: ReadonlySet<number>): Instance[] {
  return [...positions]
    .sort((a, b) => a - b)
    .map((position) => world.instances[position])
    .filter((instance) => instance !== undefined)
}
