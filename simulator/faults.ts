import { z } from 'zod'
import { misnamings } from './misnaming.ts'
import { ms, type Settings, throttleForms } from './options.ts'
import { type Random, streams } from './random.ts'
import { creates, lists, type Operation, operations, serviceOf, services } from './routes.ts'

/**
 * What a fault does to a call:
 * - `latency`: waits `latency_ms`, before or after the work by `phase`. Every other kind may carry `latency_ms` too.
 * - `hold`: answers only when released, before or after the work by `phase`.
 * - `error_before`, `error_after`: another answer (`status`, `body`, `headers`) instead of, or after, the work.
 *   With status 202 and a broken body `error_after` is the unreadable success.
 * - `throttle`: 429 in the given `form`; nothing is done.
 * - `cut_before`: the connection is cut before the body is read. `cut_after`: after the work, without an answer.
 *   `cut_half`: half-way through the answer. `close_after`: a whole answer, then an unannounced close.
 *   With `reset` the cut is a TCP reset, else an ordinary close.
 * - `truncate`: a listing's page has only `keep` records (below 1: that share of the limit); with `end` it also
 *   claims to be the last page. `hide`: a listing leaves out instances younger than `newer_than_ms`.
 * - `late`: the instances of a create are listed only after `visible_after_ms`. `boot`: they boot in `boot_ms`, and
 *   the first `boot_failures` of them end in error, the others do not. `misname`: a batch-create does its work, and
 *   its 202 lies about it, as `names` says.
 */
export const faultKinds = [
  'latency',
  'hold',
  'error_before',
  'error_after',
  'throttle',
  'cut_before',
  'cut_after',
  'cut_half',
  'close_after',
  'truncate',
  'hide',
  'late',
  'boot',
  'misname',
] as const
export type FaultKind = (typeof faultKinds)[number]

const script = z.strictObject({
  kind: z.enum(faultKinds),
  /** Which calls match; absent: any that the kind can strike. */
  operation: z.enum(operations).optional(),
  service: z.enum(services).optional(),
  method: z.string().optional(),
  project: z.string().optional(),
  /** Lets this many matching calls pass first. */
  skip: z.int().min(0).default(0),
  /** Strikes this many calls; null: until removed. */
  count: z.int().min(1).nullable().default(1),
  phase: z.enum(['before', 'after']).default('after'),
  latency_ms: ms.optional(),
  status: z.int().min(200).max(599).optional(),
  /** A string is sent as it is, anything else as JSON. */
  body: z.unknown().optional(),
  content_type: z.string().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  retry_after: z.union([z.number(), z.string()]).optional(),
  form: z.enum(throttleForms).optional(),
  reset: z.boolean().default(false),
  keep: z.number().min(0).default(0.5),
  end: z.boolean().default(false),
  newer_than_ms: z.number().min(0).default(60_000),
  visible_after_ms: z.number().min(0).default(5_000),
  boot_ms: z.number().min(0).optional(),
  boot_failures: z.int().min(0).optional(),
  names: z.enum(misnamings).default('fewer'),
})

export type FaultScript = z.input<typeof script>
export type FaultPlan = z.output<typeof script>

/** A queued fault and how far it has come. */
export type Fault = FaultPlan & {
  id: number
  /** Calls struck so far. */
  hits: number
  /** Calls waiting in it now (`hold`). */
  held: number
}

/** What strikes one call; `fault` is null when chance chose it. */
export type Strike = { plan: FaultPlan; fault: Fault | null }

export type Faults = {
  /** Queues a fault; throws an `Error` naming what is wrong with it. */
  add(script: FaultScript): Fault
  list(): Fault[]
  /** Removes a fault and releases what it holds; false when there is none of that id. */
  remove(id: number): boolean
  /** Lets every call go that this fault holds now; how many. */
  release(id: number): number
  /** Resolves once the fault has struck `hits` calls, and `hold` holds them. Rejects when it is removed before. */
  struck(id: number, hits?: number): Promise<void>
  clear(): void
}

export type FaultQueue = Faults & {
  /** The fault for this call: the first script that matches, else by chance. At most one. */
  claim(call: { n: number; method: string; operation: Operation; project: string }): Strike | null
  /** Waits in a `hold`, unless it was removed. */
  hold(fault: Fault): Promise<void>
}

type Waiter = { id: number; hits: number; resolve: () => void; reject: (error: Error) => void }

export function createFaults({ settings, random }: { settings: Settings; random: Random }): FaultQueue {
  const faults = new Map<number, Fault>()
  // Those with strikes left, so that a long script costs nothing once it is used up.
  const active = new Set<Fault>()
  const holds = new Map<number, (() => void)[]>()
  /** Calls struck, or in a hold, so far. */
  const told = new WeakMap<Fault, number>()
  let waiters: Waiter[] = []
  let lastId = 0

  const release = (id: number) => {
    const waiting = holds.get(id) ?? []
    holds.delete(id)
    for (const go of waiting) go()
    return waiting.length
  }
  const remove = (id: number) => {
    release(id)
    const gone = waiters.filter((waiter) => waiter.id === id)
    waiters = waiters.filter((waiter) => waiter.id !== id)
    for (const waiter of gone) waiter.reject(new Error(`fault ${id} was removed`))
    const fault = faults.get(id)
    if (fault) active.delete(fault)
    return faults.delete(id)
  }
  const tell = (fault: Fault) => {
    const hits = (told.get(fault) ?? 0) + 1
    told.set(fault, hits)
    const met = waiters.filter((waiter) => waiter.id === fault.id && waiter.hits <= hits)
    waiters = waiters.filter((waiter) => !met.includes(waiter))
    for (const waiter of met) waiter.resolve()
  }
  const strike = (fault: Fault): Strike => {
    fault.hits += 1
    if (fault.hits === fault.count) active.delete(fault)
    if (fault.kind !== 'hold') tell(fault)
    return { plan: fault, fault }
  }

  return {
    add: (input) => {
      const parsed = script.safeParse(input)
      if (!parsed.success) throw new Error(`fault: ${z.prettifyError(parsed.error)}`)
      lastId += 1
      const fault: Fault = { ...parsed.data, id: lastId, hits: 0, held: 0 }
      faults.set(lastId, fault)
      active.add(fault)
      return fault
    },
    list: () => [...faults.values()],
    remove,
    release,
    struck: (id, hits = 1) =>
      new Promise((resolve, reject) => {
        const fault = faults.get(id)
        if (!fault) reject(new Error(`fault ${id} is not known`))
        else if ((told.get(fault) ?? 0) >= hits) resolve()
        else waiters.push({ id, hits, resolve, reject })
      }),
    clear: () => {
      for (const id of [...faults.keys()]) remove(id)
    },
    claim: (call) => {
      for (const fault of active) {
        if (!matches(fault, call)) continue
        if (fault.skip === 0) return strike(fault)
        fault.skip -= 1
      }
      return chance(settings, random, call)
    },
    hold: (fault) =>
      new Promise((resolve) => {
        if (!faults.has(fault.id)) return resolve()
        fault.held += 1
        const go = () => {
          fault.held -= 1
          resolve()
        }
        const waiting = holds.get(fault.id)
        if (waiting) waiting.push(go)
        else holds.set(fault.id, [go])
        tell(fault)
      }),
  }
}

function matches(
  fault: FaultPlan,
  { method, operation, project }: { method: string; operation: Operation; project: string },
): boolean {
  if ((fault.operation ?? operation) !== operation) return false
  if (fault.service !== undefined && fault.service !== serviceOf(operation)) return false
  if ((fault.method ?? method) !== method || (fault.project ?? project) !== project) return false
  return canStrike(fault.kind, operation)
}

function canStrike(kind: FaultKind, operation: Operation): boolean {
  if (kind === 'truncate') return lists(operation)
  if (kind === 'hide') return operation === 'ListInstances'
  if (kind === 'misname') return operation === 'RunInstances'
  return (kind !== 'late' && kind !== 'boot') || creates(operation)
}

/** One draw per call decides among the kinds, so their probabilities add up. */
function chance(
  settings: Settings,
  random: Random,
  { n, operation }: { n: number; operation: Operation },
): Strike | null {
  const everyCall = settings.faultScope === 'all' || creates(operation)
  const odds: readonly (readonly [FaultKind, number])[] = [
    ['error_before', everyCall ? settings.faultErrorBefore : 0],
    ['error_after', everyCall ? settings.faultErrorAfter : 0],
    ['cut_before', everyCall ? settings.faultCutBefore : 0],
    ['cut_after', everyCall ? settings.faultCutAfter : 0],
    ['cut_half', everyCall ? settings.faultCutHalf : 0],
    ['truncate', lists(operation) ? settings.faultTruncate : 0],
    ['misname', operation === 'RunInstances' ? settings.faultMisname : 0],
  ]
  let left = random.draw(streams.fault, n)
  for (const [kind, odd] of odds) {
    if (left >= odd) {
      left -= odd
      continue
    }
    const oneOf = <One>(all: readonly One[]) =>
      all[Math.floor(random.draw(streams.faultStatus, n) * all.length)]
    const plan = { kind, status: oneOf(settings.faultStatuses), names: oneOf(misnamings) }
    return { plan: script.parse(plan), fault: null }
  }
  return null
}
