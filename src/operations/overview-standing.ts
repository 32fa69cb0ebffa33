import { DUTIES } from '../replica/replica.ts'
import { FLOW_STEP_SECONDS, type Flow } from '../telemetry/add-flow.sql.ts'
import { RATE_MINUTES } from './overview-bounds.ts'
import type { Overview } from './overview-reply.ts'
import type { FlowRow } from './read-flow.sql.ts'
import type { StandingRow } from './read-standing.sql.ts'

/** Work that every replica of a role does, and nobody alone. */
const SHARED = ['dispatch', 'poll'] as const

/** Calls that asked for instances. */
export interface LastPolls {
  answered: number
  failed: number
}

const NO_POLLS = { at: 0, pollsAnswered: 0, pollsFailed: 0 }

/** The processes of the service. Pure. */
export function replicasOf({ replicas }: Pick<StandingRow, 'replicas'>): Overview['replicas'] {
  return replicas.map(({ since, seenAt, ...replica }) => ({
    ...replica,
    since: new Date(since),
    seen_at: new Date(seenAt),
  }))
}

/** Who does what for all, and how far it is behind. Pure. */
export function dutiesOf({ holders, late }: Pick<StandingRow, 'holders' | 'late'>): Overview['duties'] {
  const overdue = new Map<string, number | null>(Object.entries(late))
  const one = (duty: string, shared: boolean) => ({
    duty,
    shared,
    replica_id: holders[duty] ?? null,
    overdue_seconds: Math.floor(overdue.get(duty) ?? 0),
  })
  return [...DUTIES.map((duty) => one(duty, false)), ...SHARED.map((duty) => one(duty, true))]
}

/** The polls of the newest step that had any. Pure. */
export function lastPollsOf({ steps }: Pick<FlowRow, 'steps'>): LastPolls {
  const polled = steps.filter(({ pollsAnswered, pollsFailed }) => pollsAnswered + pollsFailed > 0)
  const newest = polled.reduce((one, other) => (other.at > one.at ? other : one), polled[0] ?? NO_POLLS)
  return { answered: newest.pollsAnswered, failed: newest.pollsFailed }
}

/** What was done, step by step, 0 where nothing was. Pure. */
export function ratesOf({ end, steps }: FlowRow): Overview['rates'] {
  const stepMs = FLOW_STEP_SECONDS * 1000
  const begin = end.getTime() - RATE_MINUTES * 60_000
  const byTime = new Map(steps.map((step) => [step.at, step]))
  const times = Array.from({ length: (RATE_MINUTES * 60_000) / stepMs }, (_, n) => begin + n * stepMs)
  const series = (name: keyof Flow) => times.map((at) => byTime.get(at)?.[name] ?? 0)
  return {
    step_seconds: FLOW_STEP_SECONDS,
    from: new Date(begin),
    to: end,
    accepted: series('accepted'),
    dispatched: series('dispatched'),
    running: series('running'),
    failed: series('failed'),
    published: series('published'),
  }
}
