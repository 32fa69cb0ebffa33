import type { Clock } from './clock.ts'
import type { InventoryDesk } from './inventory-desk.ts'
import type { Simulator } from './simulator.ts'

export type AdminDeps = Pick<
  Simulator,
  | 'ledger'
  | 'faults'
  | 'instances'
  | 'tokens'
  | 'keys'
  | 'metadata'
  | 'secrets'
  | 'permissions'
  | 'settings'
  | 'configure'
  | 'stats'
  | 'reset'
> & { inventory: InventoryDesk; clock: Clock }

export type Asked = { id: string; query: URLSearchParams; body: unknown }
export type Answer = { status: number; value: unknown }
export type AdminRoute = { method: string; path: RegExp; run(deps: AdminDeps, asked: Asked): Answer }

export const ok = (value: unknown): Answer => ({ status: 200, value })
