/** The queue of one project, and what its bucket gives it. */
export interface QueueFacts {
  projectId: string
  credentialId: string
  /** Requests in it. */
  length: number
  /** Tokens that are there. */
  tokens: number
  /** Calls per second that flow in; more than 0. */
  perSecond: number
}

/** What all projects of a credential share. */
export interface SharedBudget {
  credentialId: string
  tokens: number
  /** Calls per second; more than 0. */
  perSecond: number
}

/** From `seconds` on the queue shrinks by `perSecond`; by then `done` requests had their turn. */
export interface Leg {
  seconds: number
  done: number
  perSecond: number
}

/** Legs of one queue after its burst, at most; what comes after them is taken to go on like the last one. */
const MOST_STEPS = 60
/** Less than this of a request or a token is nothing. */
const NOTHING = 1e-9

/**
 * When requests have their turn, by the rules of admission run forward: pure. A project spends the tokens that are there,
 * then one as each flows in. Where a credential is limited, its projects have their turns one after the other, so that
 * what it gives is shared evenly among those that can take it, and what one cannot take goes to the others. As a fluid:
 * wrong by less than a round of turns.
 */
export function runQueues(
  queues: readonly QueueFacts[],
  budgets: readonly SharedBudget[],
): Map<string, Leg[]> {
  const budgetOf = new Map(budgets.map((budget) => [budget.credentialId, budget]))
  const legs = new Map<string, Leg[]>()
  for (const [credentialId, members] of Map.groupBy(queues, (queue) => queue.credentialId)) {
    const budget = budgetOf.get(credentialId)
    for (const [projectId, own] of budget === undefined ? runAlone(members) : runShared(members, budget))
      legs.set(projectId, own)
  }
  return legs
}

/** Seconds until the request at `place` (from 1) has its turn. */
export function turnOf(legs: readonly Leg[], place: number): number {
  const leg = legs.findLast(({ done }) => done < place) ?? legs[0]
  if (leg === undefined) return 0
  return leg.seconds + Math.max(0, place - leg.done) / leg.perSecond
}

function runAlone(queues: readonly QueueFacts[]): [string, Leg[]][] {
  return queues.map(({ projectId, length, tokens, perSecond }) => [
    projectId,
    [...burstOf(Math.min(tokens, length)), { seconds: 0, done: Math.min(tokens, length), perSecond }],
  ])
}

/** A burst takes no time. */
function burstOf(size: number): Leg[] {
  return size > 0 ? [{ seconds: 0, done: 0, perSecond: Number.POSITIVE_INFINITY }] : []
}

interface Running extends QueueFacts {
  done: number
  legs: Leg[]
}

function runShared(queues: readonly QueueFacts[], budget: SharedBudget): [string, Leg[]][] {
  const all: Running[] = queues.map((queue) => ({ ...queue, done: 0, legs: [] }))
  let left = budget.tokens
  const bursts = shareEvenly(
    all.map(({ tokens, length }) => Math.min(tokens, length)),
    left,
  )
  for (const [index, queue] of all.entries()) {
    const burst = bursts[index] ?? 0
    queue.legs.push(...burstOf(burst))
    queue.done = burst
    queue.tokens -= burst
    left -= burst
  }

  let seconds = 0
  for (let step = 0; step < MOST_STEPS; step += 1) {
    const open = all.filter(({ done, length }) => length - done > NOTHING)
    if (open.length === 0) break
    const speeds =
      left > NOTHING
        ? open.map(({ perSecond }) => perSecond)
        : shareEvenly(
            open.map(({ tokens, perSecond }) => (tokens > NOTHING ? Number.POSITIVE_INFINITY : perSecond)),
            budget.perSecond,
          )
    const flow = speeds.reduce((sum, speed) => sum + speed, 0)
    let until =
      left > NOTHING && flow > budget.perSecond ? left / (flow - budget.perSecond) : Number.POSITIVE_INFINITY
    for (const [index, queue] of open.entries()) {
      const speed = speeds[index] ?? 0
      continueAt(queue, seconds, speed)
      until = Math.min(until, (queue.length - queue.done) / speed)
      if (queue.tokens > NOTHING && speed > queue.perSecond)
        until = Math.min(until, queue.tokens / (speed - queue.perSecond))
    }
    for (const [index, queue] of open.entries()) {
      const speed = speeds[index] ?? 0
      queue.done += speed * until
      queue.tokens = Math.max(0, queue.tokens + (queue.perSecond - speed) * until)
    }
    left = Math.max(0, left + Math.min(0, budget.perSecond - flow) * until)
    seconds += until
  }
  return all.map(({ projectId, legs }) => [projectId, legs])
}

function continueAt({ legs, done }: Running, seconds: number, perSecond: number): void {
  if (legs.at(-1)?.perSecond !== perSecond) legs.push({ seconds, done, perSecond })
}

/** What each gets of `total`: the same for all, but nobody more than he can take. */
export function shareEvenly(most: readonly number[], total: number): number[] {
  const order = most.map((_, index) => index).sort((a, b) => (most[a] ?? 0) - (most[b] ?? 0))
  const shares = most.map(() => 0)
  let left = total
  for (const [place, index] of order.entries()) {
    const share = Math.min(most[index] ?? 0, left / (order.length - place))
    shares[index] = share
    left -= share
  }
  return shares
}
