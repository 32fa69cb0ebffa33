import { createInventory, type Inventory, type InventorySeed } from './inventory.ts'
import { type Instance, type InstanceState, stateOf } from './lifecycle.ts'
import type { Settings } from './options.ts'

/** What one project holds. Everything that changes it is synchronous, so no two calls ever see half a change. */
export type World = {
  project: string
  inventory: Inventory
  /** In order of creation; `positions` gives an id's place in it. */
  instances: Instance[]
  positions: Map<string, number>
  byServer: Map<string, Instance[]>
  /** The instance that holds a server, until it is terminated. */
  holders: Map<string, Instance>
  /** Instances being deleted, by the time they are gone. */
  leaving: Instance[]
  /** Random choices made, the index of the next draw. */
  choices: number
  /** Whether any instance was ever created to be listed late. */
  late: boolean
}

export type Worlds = {
  /** The project, created on first sight, with everything done that is due at `now`. */
  of(project: string, now: number): World
  known(): World[]
  /** All instances of all projects by `seq`. */
  instances(): readonly Instance[]
  add(world: World, instance: Omit<Instance, 'seq'>): Instance
  nextSeq(): number
  find(id: string): Instance | undefined
  clear(): void
}

export function createWorlds({ settings }: { settings: Settings }): Worlds {
  const worlds = new Map<string, World>()
  let all: Instance[] = []

  const create = (project: string): World => {
    const inventory = createInventory(project, { count: settings.serversPerProject })
    const world: World = {
      project,
      inventory,
      instances: [],
      positions: new Map(),
      byServer: new Map(),
      holders: new Map(),
      leaving: [],
      choices: 0,
      late: false,
    }
    worlds.set(project, world)
    return world
  }

  return {
    of: (project, now) => {
      const world = worlds.get(project) ?? create(project)
      releaseServers(world, now)
      return world
    },
    known: () => [...worlds.values()],
    instances: () => all,
    nextSeq: () => all.length + 1,
    add: (world, fields) => {
      const instance = { seq: all.length + 1, ...fields }
      all.push(instance)
      world.positions.set(instance.id, world.instances.length)
      world.instances.push(instance)
      world.holders.set(instance.serverId, instance)
      const earlier = world.byServer.get(instance.serverId)
      if (earlier) earlier.push(instance)
      else world.byServer.set(instance.serverId, [instance])
      if (instance.visibleAt > instance.createdAt) world.late = true
      return instance
    },
    find: (id) => {
      for (const world of worlds.values()) {
        const position = world.positions.get(id)
        if (position !== undefined) return world.instances[position]
      }
      return undefined
    },
    clear: () => {
      worlds.clear()
      all = []
    },
  }
}

/** Starts a deletion: shutting-down now, terminated and its server ready again at `goneAt`. */
export function startDelete(world: World, instance: Instance, now: number, goneAt: number): void {
  if (now < instance.bootAt) instance.bootAt = Number.POSITIVE_INFINITY
  instance.deletedAt ??= now
  instance.goneAt = goneAt
  const before = world.leaving.findLastIndex((other) => (other.goneAt ?? 0) <= goneAt)
  world.leaving.splice(before + 1, 0, instance)
}

function releaseServers(world: World, now: number): void {
  while (world.leaving[0] && (world.leaving[0].goneAt ?? 0) <= now) {
    const instance = world.leaving.shift() as Instance
    if (world.holders.get(instance.serverId) !== instance) continue
    world.holders.delete(instance.serverId)
    const index = world.inventory.indexOf(instance.serverId)
    // A server that was meanwhile sent to repair stays there.
    if (index !== undefined && world.inventory.stateOf(index) === 'in-use') {
      world.inventory.setState(index, 'ready')
    }
  }
}

/** Replaces the servers. Those that living instances hold are in-use in the new inventory too. */
export function replaceInventory(world: World, seed: InventorySeed): void {
  world.inventory = createInventory(world.project, seed)
  for (const serverId of world.holders.keys()) {
    const index = world.inventory.indexOf(serverId)
    if (index !== undefined) world.inventory.setState(index, 'in-use')
  }
}

/** Moves an instance to a state at once, whatever its boot time said. Throws when it is already on its way out. */
export function forceState(world: World, instance: Instance, state: InstanceState, now: number): void {
  const leaving = instance.goneAt !== null
  if (leaving && (state !== 'terminated' || stateOf(instance, now) === 'terminated')) {
    throw new Error(`instance ${instance.id} is ${stateOf(instance, now)} and cannot become ${state}`)
  }
  if (state === 'shutting-down' || state === 'terminated') {
    world.leaving = world.leaving.filter((other) => other !== instance)
    startDelete(world, instance, now, state === 'terminated' ? now : Number.POSITIVE_INFINITY)
    releaseServers(world, now)
    return
  }
  instance.stoppedAt = state === 'stopped' ? now : null
  if (state === 'pending') instance.bootAt = Number.POSITIVE_INFINITY
  else if (now < instance.bootAt || instance.bootFails !== (state === 'error')) instance.bootAt = now
  instance.bootFails = state === 'error'
}
