import { createHash } from 'node:crypto'

export const manageStates = [
  'onboard',
  'os-ready',
  'ready',
  'in-use',
  'maintain',
  'offboarding',
  'frozen',
] as const
export type ManageState = (typeof manageStates)[number]

/**
 * A server given by name. `frozen_state` is the bit sum 1 police, 2 violation, 4 arrears. A `reserved` one is never chosen
 * at random: what a cloud cannot promise, and a run with both kinds of orders needs.
 */
export type ServerSeed = { id: string; manage_state?: ManageState; frozen_state?: number; reserved?: boolean }

/** What an inventory is built from: so many generated servers, all in one state, or a list of named ones. */
export type InventorySeed = { count: number; manage_state?: ManageState } | { servers: readonly ServerSeed[] }

/**
 * The physical servers of one project. Servers are numbered from 0; ids, and everything else about a server that
 * nobody asked about, are derived from that number, so a million servers cost a few megabytes.
 */
export type Inventory = {
  size(): number
  idOf(index: number): string
  indexOf(id: string): number | undefined
  stateOf(index: number): ManageState
  frozenOf(index: number): number
  /** Servers a random scheduling may take: ready, not frozen and not reserved. */
  idle(): number
  count(state: ManageState): number
  setState(index: number, state: ManageState): void
  setFrozen(index: number, frozen: number): void
  /** Moves `n` idle servers to in-use; `draw(k)` in [0, 1) chooses the k-th. `n` is at most `idle()`. */
  takeIdle(n: number, draw: (k: number) => number): number[]
}

export function createInventory(project: string, seed: InventorySeed): Inventory {
  const named = 'servers' in seed ? seed.servers : null
  const size = 'servers' in seed ? seed.servers.length : seed.count
  const ids = createServerIds(project, size, named)
  const states = new Uint8Array(size)
  const counts = new Array<number>(manageStates.length).fill(0)
  const frozen = new Map<number, number>()
  // The idle servers in any order, and where each stands in that list (-1: not idle): O(1) take and return.
  const idle: number[] = []
  const places = new Int32Array(size).fill(-1)

  const isIdle = (index: number) =>
    states[index] === readyCode && !frozen.has(index) && named?.[index]?.reserved !== true
  const arrange = (index: number) => {
    const place = places[index] ?? -1
    if (isIdle(index) === place >= 0) return
    if (place < 0) {
      places[index] = idle.length
      idle.push(index)
      return
    }
    const last = idle.pop() as number
    if (last !== index) {
      idle[place] = last
      places[last] = place
    }
    places[index] = -1
  }
  const setState = (index: number, state: ManageState) => {
    const before = states[index] ?? 0
    const code = manageStates.indexOf(state)
    states[index] = code
    counts[before] = (counts[before] ?? 0) - 1
    counts[code] = (counts[code] ?? 0) + 1
    arrange(index)
  }
  const setFrozen = (index: number, value: number) => {
    if (value === 0) frozen.delete(index)
    else frozen.set(index, value)
    arrange(index)
  }

  counts[0] = size
  const common = 'servers' in seed ? 'ready' : (seed.manage_state ?? 'ready')
  for (let index = 0; index < size; index += 1) {
    setState(index, named?.[index]?.manage_state ?? common)
    setFrozen(index, named?.[index]?.frozen_state ?? 0)
  }

  return {
    size: () => size,
    idOf: ids.idOf,
    indexOf: ids.indexOf,
    stateOf: (index) => manageStates[states[index] ?? 0] ?? 'onboard',
    frozenOf: (index) => frozen.get(index) ?? 0,
    idle: () => idle.length,
    count: (state) => counts[manageStates.indexOf(state)] ?? 0,
    setState,
    setFrozen,
    takeIdle: (n, draw) =>
      Array.from({ length: n }, (_, k) => {
        const index = idle[Math.floor(draw(k) * idle.length)] as number
        setState(index, 'in-use')
        return index
      }),
  }
}

const readyCode = manageStates.indexOf('ready')

/** Generated ids are UUIDs that end in the server's number, so they need no table. */
function createServerIds(project: string, size: number, named: readonly ServerSeed[] | null) {
  if (named) {
    const indexes = new Map(named.map(({ id }, index) => [id, index]))
    if (indexes.size !== named.length) throw new Error('inventory: server ids must be distinct')
    return { idOf: (index: number) => named[index]?.id ?? '', indexOf: (id: string) => indexes.get(id) }
  }
  const hash = createHash('sha256').update(project).digest('hex')
  const prefix = `${hash.slice(0, 8)}-${hash.slice(8, 12)}-4${hash.slice(12, 15)}-8${hash.slice(15, 18)}-`
  const idOf = (index: number) => prefix + index.toString(16).padStart(12, '0')
  const indexOf = (id: string) => {
    if (!id.startsWith(prefix)) return undefined
    const index = Number.parseInt(id.slice(prefix.length), 16)
    return index < size && idOf(index) === id ? index : undefined
  }
  return { idOf, indexOf }
}
