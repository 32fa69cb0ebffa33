import { type AdminDeps, createAdminListener } from './admin.ts'
import { createAuth, type Token } from './auth.ts'
import { type BudgetCheck, checkBudget } from './budget-check.ts'
import { type Clock, monotonicClock } from './clock.ts'
import { createFaults, type Faults } from './faults.ts'
import { type Listener, listen } from './http.ts'
import type { InventorySeed, ServerSeed } from './inventory.ts'
import { createInventoryDesk, type InventoryPage } from './inventory-desk.ts'
import { type Call, type CallFilter, createCallBook, type LedgerInstance, ledgerInstance } from './ledger.ts'
import type { InstanceState } from './lifecycle.ts'
import { createLimiter } from './limiter.ts'
import { createOperate } from './operate.ts'
import { resolveOptions, type Settings, type SimulatorOptions } from './options.ts'
import { createRandom } from './random.ts'
import { createApiListener } from './server.ts'
import { type Stats, statsOf } from './stats.ts'
import { createWorlds, forceState } from './world.ts'

export type Ledger = {
  /** Calls in order of arrival, those with `n` greater than `after`. Live objects: read, do not change. */
  calls(filter?: CallFilter): Call[]
  /** Instances in order of creation, those with `seq` greater than `after`. */
  instances(filter?: { after?: number; limit?: number; project?: string }): LedgerInstance[]
  /** Calls that went over the limit. */
  violations(filter?: CallFilter): Call[]
  /** How the calls of a project kept to a token bucket, refused calls left out. */
  budget(bucket: { project?: string; operation?: string; rate: number; burst: number }): BudgetCheck
  /** Called for each call that is over; returns the unsubscriber. */
  onCall(listener: (call: Call) => void): () => void
}

export type Simulator = {
  url: string
  adminUrl: string
  host: string
  port: number
  adminPort: number
  ledger: Ledger
  faults: Faults
  inventory: {
    show(project: string, page?: { after?: number; limit?: number }): InventoryPage
    /** Replaces a project's servers; those that living instances hold stay in-use. */
    set(project: string, seed: InventorySeed): void
    /** Changes the named servers; throws when one is unknown, or held and to become ready. */
    change(project: string, servers: readonly ServerSeed[]): void
  }
  instances: { force(id: string, state: InstanceState): LedgerInstance }
  tokens: {
    issue(token?: { region?: string; project?: string | null; ttlMs?: number }): Token
    /** Ends one issued token, or all; how many. */
    expire(value?: string): number
  }
  settings: Readonly<Settings>
  /** Changes knobs while running, except addresses. Limiter knobs start new buckets. */
  configure(patch: SimulatorOptions): Settings
  stats(): Stats
  /** Back to the start: no calls, instances, faults or tokens; calls in flight are cut. Knobs stay as they are. */
  reset(): void
  /** Ends both ports and all connections at once. May be called twice. */
  close(): Promise<void>
}

/**
 * Starts a simulator on two ports. Throws when an option is wrong or a port is taken. Nothing is shared between two
 * simulators of one process. `clock` (ms since the epoch, never going back) is for tests that own time.
 */
export async function createSimulator(
  options: SimulatorOptions & { clock?: Clock } = {},
): Promise<Simulator> {
  const { clock = monotonicClock, ...knobs } = options
  const settings = resolveOptions(knobs)
  const random = createRandom(settings)
  const worlds = createWorlds({ settings })
  const callBook = createCallBook({ clock })
  const limiter = createLimiter({ settings })
  const auth = createAuth({ settings })
  const faults = createFaults({ settings, random })
  const operate = createOperate({ settings, random, worlds, auth })
  const inventory = createInventoryDesk({ worlds, clock })
  const startedAt = clock()
  let epoch = 0

  const ledger: Ledger = {
    calls: callBook.calls,
    instances: ({ after = 0, limit = Number.POSITIVE_INFINITY, project } = {}) => {
      const all = worlds.instances()
      const chosen =
        project === undefined
          ? all.slice(after, after + limit)
          : all.filter((one) => one.seq > after && one.project === project).slice(0, limit)
      const now = clock()
      return chosen.map((instance) => ledgerInstance(instance, now))
    },
    violations: ({ limit = Number.POSITIVE_INFINITY, ...filter } = {}) =>
      callBook
        .calls(filter)
        .filter((call) => call.over_limit)
        .slice(0, limit),
    budget: ({ rate, burst, ...filter }) => {
      const times = callBook.calls(filter).filter((call) => call.status !== 429)
      return checkBudget(
        times.map((call) => call.at_ms),
        { rate, burst },
      )
    },
    onCall: callBook.onCall,
  }

  const desk: Omit<AdminDeps, 'clock'> = {
    ledger,
    faults,
    inventory,
    settings,
    instances: {
      force: (id, state) => {
        const instance = worlds.find(id)
        if (!instance) throw new Error(`instance ${id} is not known`)
        forceState(worlds.of(instance.project, clock()), instance, state, clock())
        return ledgerInstance(instance, clock())
      },
    },
    tokens: {
      issue: (token = {}) => auth.issue(token, clock()),
      expire: (value) => auth.expire(clock(), value),
    },
    configure: (patch) => {
      const fixed = (['host', 'port', 'adminPort', 'keepAliveMs'] as const).filter((key) => key in patch)
      if (fixed.length > 0)
        throw new Error(`simulator options: ${fixed.join(', ')} cannot change while running`)
      Object.assign(settings, resolveOptions(patch, settings))
      if (Object.keys(patch).some((key) => key.startsWith('limiter'))) limiter.reset()
      return settings
    },
    stats: () => statsOf({ callBook, worlds, startedAt, now: clock() }),
    reset: () => {
      epoch += 1
      faults.clear()
      callBook.clear()
      worlds.clear()
      limiter.reset()
      auth.clear()
    },
  }

  const { host, keepAliveMs } = settings
  const serveApi = createApiListener({
    settings,
    clock,
    random,
    callBook,
    limiter,
    auth,
    faults,
    operate,
    epoch: () => epoch,
  })
  const api = await listen(serveApi, { host, port: settings.port, keepAliveMs })
  let admin: Listener
  try {
    const port = settings.adminPort ?? (settings.port === 0 ? 0 : settings.port + 1)
    admin = await listen(createAdminListener({ ...desk, clock }), { host, port, keepAliveMs })
  } catch (error) {
    await api.close()
    throw error
  }
  return {
    ...desk,
    url: api.url,
    adminUrl: admin.url,
    host,
    port: api.port,
    adminPort: admin.port,
    close: async () => {
      epoch += 1
      faults.clear()
      await Promise.all([api.close(), admin.close()])
    },
  }
}
