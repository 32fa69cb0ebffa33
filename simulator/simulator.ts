import type { RequestListener } from 'node:http'
import { createAdminListener } from './admin.ts'
import type { AdminDeps } from './admin-route.ts'
import { createAuth } from './auth.ts'
import { type BudgetCheck, checkBudget } from './budget-check.ts'
import { type Clock, monotonicClock } from './clock.ts'
import { createFaults, type Faults } from './faults.ts'
import { type Listener, listen } from './http.ts'
import { createIam } from './iam.ts'
import type { InventorySeed, ServerSeed } from './inventory.ts'
import { createInventoryDesk, type InventoryPage } from './inventory-desk.ts'
import { createKeyRing, type Key, type KeyState } from './keys.ts'
import { type Call, type CallFilter, createCallBook, type LedgerInstance, ledgerInstance } from './ledger.ts'
import type { InstanceState } from './lifecycle.ts'
import { createLimiter } from './limiter.ts'
import { createMetadata } from './metadata.ts'
import { createOperate } from './operate.ts'
import { resolveOptions, type Settings, type SimulatorOptions } from './options.ts'
import { createPermissions, type Permissions } from './permissions.ts'
import { createRandom } from './random.ts'
import { type Service, services } from './routes.ts'
import { createApiListener } from './server.ts'
import { type Stats, statsOf } from './stats.ts'
import { createTokens, type Token, type TokenIssue } from './tokens.ts'
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
  /** Of IAM and the metadata service: `url`, unless they have a port of their own. */
  iamUrl: string
  /** Of each region, `url` among them. */
  regionUrls: Readonly<Record<string, string>>
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
    issue(token?: TokenIssue): Token
    /** Ends one issued token, or all; how many. */
    expire(value?: string): number
  }
  keys: {
    /** A temporary key with its security token. */
    issue(key?: { user?: string; lifeMs?: number }): Key
    /** Calls with the key are refused until it is restored, which also ends its lock. Throws for an unknown one. */
    withdraw(accessKey: string): void
    restore(accessKey: string): void
    /** As by five refused calls in a row. Throws for an unknown one. */
    lock(accessKey: string): void
    list(): KeyState[]
  }
  /** Tokens, secret keys and security tokens issued so far: what nobody may find anywhere else. */
  secrets(): string[]
  /** Withdraws projects, and gives them back: a call for one that is withdrawn is 403. */
  permissions: Permissions
  /** Ends all sessions of the metadata service; how many. */
  metadata: { expire(): number }
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
  const permissions = createPermissions()
  const tokens = createTokens({ settings })
  const keys = createKeyRing({ settings })
  const auth = createAuth({ settings, tokens, keys, permissions })
  const iam = createIam({ settings, tokens, keys, auth })
  const metadata = createMetadata({ settings, keys })
  const faults = createFaults({ settings, random })
  const operate = createOperate({ settings, random, worlds, iam, metadata })
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
      issue: (token = {}) => tokens.issue(token, clock()),
      expire: (value) => tokens.expire(clock(), value),
    },
    metadata: { expire: metadata.expire },
    permissions,
    secrets: () => [...tokens.values(), ...keys.secrets()],
    keys: {
      issue: ({ user = 'admin', lifeMs = settings.keyLifeMs } = {}) => keys.issue({ user, lifeMs }, clock()),
      withdraw: keys.withdraw,
      restore: keys.restore,
      lock: (accessKey) => keys.lock(accessKey, clock()),
      list: () => keys.list(clock()),
    },
    configure: (patch) => {
      const fixed = (['host', 'port', 'adminPort', 'iamPort', 'regions', 'keepAliveMs'] as const).filter(
        (key) => key in patch,
      )
      if (fixed.length > 0)
        throw new Error(`simulator options: ${fixed.join(', ')} cannot change while running`)
      Object.assign(settings, resolveOptions(patch, settings))
      if (Object.keys(patch).some((key) => /^(user)?limiter/i.test(key))) limiter.reset()
      return settings
    },
    stats: () => statsOf({ callBook, worlds, startedAt, now: clock() }),
    reset: () => {
      epoch += 1
      faults.clear()
      callBook.clear()
      worlds.clear()
      limiter.reset()
      tokens.clear()
      keys.clear()
      permissions.clear()
      metadata.expire()
    },
  }

  const { host, keepAliveMs, iamPort } = settings
  const api = { settings, clock, random, callBook, limiter, auth, faults, operate, epoch: () => epoch }
  const opened: Listener[] = []
  const open = async (listener: RequestListener, port: number): Promise<Listener> => {
    const one = await listen(listener, { host, port, keepAliveMs })
    opened.push(one)
    return one
  }
  const close = async () => void (await Promise.all(opened.map((one) => one.close())))
  const region = () => settings.region
  const own: Service[] = ['iam', 'metadata']
  try {
    const first = createApiListener(api, { region, serves: iamPort === undefined ? services : ['clouddc'] })
    const main = await open(first, settings.port)
    const adminPort = settings.adminPort ?? (settings.port === 0 ? 0 : settings.port + 1)
    const admin = await open(createAdminListener({ ...desk, clock }), adminPort)
    const iamListener =
      iamPort === undefined ? main : await open(createApiListener(api, { region, serves: own }), iamPort)
    const regionUrls: Record<string, string> = { [settings.region]: main.url }
    for (const text of settings.regions) {
      const [name = '', port] = text.split(':')
      const listener = createApiListener(api, { region: () => name, serves: ['clouddc'] })
      regionUrls[name] = (await open(listener, Number(port))).url
    }
    return {
      ...desk,
      url: main.url,
      adminUrl: admin.url,
      iamUrl: iamListener.url,
      regionUrls,
      host,
      port: main.port,
      adminPort: admin.port,
      close: async () => {
        epoch += 1
        faults.clear()
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}
