import type { Clock } from './clock.ts'
import { type InventorySeed, type ManageState, manageStates, type ServerSeed } from './inventory.ts'
import { replaceInventory, type Worlds } from './world.ts'

/** Part of a project's servers. `next_after` is null on the last page. */
export type InventoryPage = {
  project: string
  size: number
  counts: Record<ManageState, number>
  servers: { id: string; manage_state: ManageState; frozen_state: number; instance_id: string | null }[]
  next_after: number | null
}

export type InventoryDesk = {
  projects(): string[]
  show(project: string, page?: { after?: number; limit?: number }): InventoryPage
  set(project: string, seed: InventorySeed): void
  change(project: string, servers: readonly ServerSeed[]): void
}

/** The operator's view of the inventories. Looking at a project creates it. */
export function createInventoryDesk({ worlds, clock }: { worlds: Worlds; clock: Clock }): InventoryDesk {
  return {
    projects: () => worlds.known().map(({ project }) => project),
    show: (project, { after = 0, limit = Number.POSITIVE_INFINITY } = {}) => {
      const { inventory, holders } = worlds.of(project, clock())
      const end = Math.min(inventory.size(), after + limit)
      const servers: InventoryPage['servers'] = []
      for (let index = after; index < end; index += 1) {
        const id = inventory.idOf(index)
        servers.push({
          id,
          manage_state: inventory.stateOf(index),
          frozen_state: inventory.frozenOf(index),
          instance_id: holders.get(id)?.id ?? null,
        })
      }
      const counts = Object.fromEntries(manageStates.map((state) => [state, inventory.count(state)]))
      return {
        project,
        size: inventory.size(),
        counts: counts as Record<ManageState, number>,
        servers,
        next_after: end < inventory.size() ? end : null,
      }
    },
    set: (project, seed) => replaceInventory(worlds.of(project, clock()), seed),
    change: (project, servers) => {
      const { inventory, holders } = worlds.of(project, clock())
      for (const { id, manage_state } of servers) {
        if (inventory.indexOf(id) === undefined) throw new Error(`server ${id} is not known`)
        if (manage_state === 'ready' && holders.has(id))
          throw new Error(`server ${id} is held by an instance`)
      }
      for (const { id, manage_state, frozen_state } of servers) {
        const index = inventory.indexOf(id) as number
        if (manage_state !== undefined) inventory.setState(index, manage_state)
        if (frozen_state !== undefined) inventory.setFrozen(index, frozen_state)
      }
    },
  }
}
