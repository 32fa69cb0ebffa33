import { STEPS } from '../../src/runtime/steps.ts'
import type { ReplicaProcess, Replicas } from '../replicas.ts'
import { createSeededRandom } from '../seeded-random.ts'

/** Keeps replicas running whatever ends them, and lets them come back with a fault plan now and then. */
export interface Crew {
  /** Resolves once all are ready; no fault plans in this first start, or nobody would declare the queues. */
  start(): Promise<void>
  /** SIGKILL; it comes back after `downMs`. */
  kill(replica: number, downMs: number): Promise<void>
  pause(replica: number, forMs: number): void
  /** Ends every fault of its own: all run, none paused, none with a fault plan. */
  calm(): Promise<void>
  /** Processes that ended or stopped by a fault plan, by the plan. */
  pointsHit(): Record<string, number>
  stop(): void
}

interface Member {
  replica: ReplicaProcess
  /** The fault plan it was started with. */
  point: string | null
  startAt: number
  resumeAt: number
  /** Killed from here, so its end is no fault plan's doing. */
  expected: boolean
}

const TICK_MS = 50
const ARMED_SHARE = 0.6
const STOP_SHARE = 0.25

export function createCrew({
  replicas,
  seed,
  leaseMs,
  withPoints,
  now = () => performance.now(),
}: {
  replicas: Replicas
  seed: number
  leaseMs: number
  /** Whether replicas may be started with a fault plan. */
  withPoints: boolean
  now?: () => number
}): Crew {
  const random = createSeededRandom(seed ^ 0x5eed)
  const hit = new Map<string, number>()
  let points = withPoints
  let timer: NodeJS.Timeout | undefined
  const members = replicas.all.map(
    (replica): Member => ({
      replica,
      point: null,
      startAt: 0,
      resumeAt: Number.POSITIVE_INFINITY,
      expected: true,
    }),
  )

  /** Early passes and late ones alike: 1 to a hundred, evenly over the orders of magnitude. */
  const choosePoint = (): string | null => {
    if (!points || !random.chance(ARMED_SHARE)) return null
    const pass = Math.max(1, Math.round(10 ** (random.next() * 2)))
    return `${random.pick(STEPS)}:${pass}:${random.chance(STOP_SHARE) ? 'stop' : 'kill'}`
  }
  const launch = (member: Member, point = choosePoint()) => {
    member.point = point
    member.expected = false
    // One that stops itself does not tell: it is woken after a while in any case.
    member.resumeAt = member.point?.endsWith(':stop') ? now() + leaseMs * 3 : Number.POSITIVE_INFINITY
    member.replica.start(member.point === null ? {} : { CHAOS_FAULT_PLAN: member.point })
  }
  const tick = () => {
    for (const member of members) {
      if (now() >= member.resumeAt && member.replica.isRunning()) {
        member.replica.resume()
        member.resumeAt = member.point?.endsWith(':stop') ? now() + leaseMs * 3 : Number.POSITIVE_INFINITY
      }
      if (member.replica.isRunning()) continue
      if (!member.expected) {
        const name = member.point ?? 'by itself'
        hit.set(name, (hit.get(name) ?? 0) + 1)
        member.expected = true
        member.startAt = now() + random.between(50, 1500)
      }
      if (now() >= member.startAt) launch(member)
    }
  }

  const at = (index: number): Member => {
    const member = members[index]
    if (member === undefined) throw new RangeError(`there is no replica ${index}`)
    return member
  }
  return {
    start: async () => {
      for (const member of members) launch(member, null)
      await Promise.all(members.map(({ replica }) => replica.ready(60_000)))
      timer = setInterval(tick, TICK_MS)
    },
    kill: async (index, downMs) => {
      const member = at(index)
      member.expected = true
      member.startAt = now() + downMs
      await member.replica.kill()
      member.startAt = now() + downMs
    },
    pause: (index, forMs) => {
      const member = at(index)
      member.replica.pause()
      member.resumeAt = now() + forMs
    },
    calm: async () => {
      points = false
      const armed = members.filter((member) => member.point !== null || !member.replica.isRunning())
      for (const member of members) member.replica.resume()
      await Promise.all(
        armed.map(async (member) => {
          member.expected = true
          member.startAt = 0
          await member.replica.kill()
        }),
      )
      tick()
      await Promise.all(members.map(({ replica }) => replica.ready(120_000)))
    },
    pointsHit: () => Object.fromEntries([...hit].toSorted(([a], [b]) => a.localeCompare(b))),
    stop: () => clearInterval(timer),
  }
}
