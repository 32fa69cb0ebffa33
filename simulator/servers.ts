import { type ManageState, manageStates } from './inventory.ts'
import { type Bend, shortened } from './list-instances.ts'
import { pageOf, readLimit } from './paging.ts'
import { invalid, type Reply, reply, serversNotFound } from './reply.ts'
import type { World } from './world.ts'

/** ListServers: by number, optionally of one manage_state. */
export function listServers(world: World, query: URLSearchParams, bend: Bend | null): Reply {
  const { inventory } = world
  const limit = readLimit(query.get('limit'))
  if (limit === null) return invalid('limit (an integer)')
  const state = query.get('manage_state') || null
  if (state !== null && !isManageState(state)) return invalid('manage_state')
  const marker = query.get('marker') || null
  const start = marker === null ? 0 : (inventory.indexOf(marker) ?? -1) + 1
  if (marker !== null && start === 0) return invalid('marker (the ID of the last record of a page)')

  const asked = bend?.keep === undefined ? limit : shortened(limit, bend.keep)
  const page: number[] = []
  let more = false
  for (let index = start; index < inventory.size() && !more; index += 1) {
    if (state !== null && inventory.stateOf(index) !== state) continue
    if (page.length === asked) more = true
    else page.push(index)
  }
  const ids = page.map((index) => inventory.idOf(index))
  return reply(200, {
    servers: page.map((index) => describeServer(world, index)),
    page_info: pageOf(ids, more && !bend?.end),
    count: state === null ? inventory.size() : inventory.count(state),
  })
}

export function showServer(world: World, id: string): Reply {
  const index = world.inventory.indexOf(id)
  return index === undefined ? serversNotFound([id]) : reply(200, describeServer(world, index))
}

/** How many servers stand in each state. Only `server_manage_state` is a name of the document. */
export function countServers({ inventory }: World): Reply {
  const size = inventory.size()
  return reply(200, {
    server_health_state: { OK: size, Warning: 0, Critical: 0, Unknown: 0 },
    server_power_state: { on: inventory.count('in-use'), off: size - inventory.count('in-use') },
    server_manage_state: Object.fromEntries(manageStates.map((state) => [state, inventory.count(state)])),
  })
}

export const isManageState = (text: string): text is ManageState =>
  manageStates.some((state) => state === text)

function describeServer({ inventory, project }: World, index: number) {
  const state = inventory.stateOf(index)
  return {
    id: inventory.idOf(index),
    name: `imetal-${index}`,
    project_id: project,
    domain_id: 'simulator',
    manage_state: state,
    frozen_state: inventory.frozenOf(index),
    power_state: state === 'in-use' ? 'on' : 'off',
    health_state: 'OK',
    onboard_time: '2025-01-01T00:00:00.000Z',
    location: { dc: 'dc1', rack: `r${Math.floor(index / 20)}`, unit: `${index % 20}` },
    hardware_attributes: {
      sn: `SN${index.toString().padStart(8, '0')}`,
      manufacturer: 'Simulated',
      model: 'iMetal',
    },
    tags: [],
  }
}
