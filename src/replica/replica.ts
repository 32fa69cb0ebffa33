import { hostname } from 'node:os'
import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import { createLoop } from '../runtime/run-loop.ts'
import type { Service } from '../runtime/service.ts'
import { newUuid } from '../runtime/uuid.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import {
  holdDuty,
  type ReplicaLabel,
  registerReplica,
  releaseDuties,
  renewReplica,
  resignReplica,
} from './leases.sql.ts'

/** Duties that one replica at a time carries out. */
export const DUTIES = [
  'relay',
  'reconcile',
  'rescue',
  'sweep',
  'retention',
  'promises',
  'runs',
  'forecast',
] as const
export type Duty = (typeof DUTIES)[number]

export interface Replica extends Service {
  /** The present identity; a new one after a lost lease. */
  id(): string
  /**
   * Whether the lease surely holds at this instant. Asked right before anything that a successor could undo or
   * repeat: the answer counts from the start of the last renewal, on both the monotonic and the wall clock, so that
   * neither a stopped process nor a stopped machine can take an old lease for a new one.
   */
  holdsLease(): boolean
  /** Takes or keeps a duty for `leaseMs`; false while another replica has it. */
  holdDuty(duty: Duty, leaseMs: number): Promise<boolean>
}

export interface ReplicaOptions {
  database: Database
  leaseMs: number
  /** What operators are told of it, besides its host. */
  label?: Omit<ReplicaLabel, 'host'>
  logger: Logger
  metrics?: Pick<Metrics, 'replica'>
  /** The lease is ended before its time, and whatever was claimed under it is for others. */
  onResigned?: () => void
}

/**
 * This process among its peers: an identity with a lease in the database. All attempts in flight belong to that one
 * lease, so that keeping it costs one statement whatever the load.
 */
export function createReplica(options: ReplicaOptions): Replica {
  const { database, leaseMs, label = { version: '', roles: [] }, logger, metrics, onResigned } = options
  const host = hostname()
  const marginMs = Math.min(1000, leaseMs / 10)
  let id = newUuid()
  let registered = false
  let deadline = { monotonic: Number.NEGATIVE_INFINITY, wall: Number.NEGATIVE_INFINITY }

  const loop = createLoop({
    name: 'replica lease',
    logger,
    idleMs: leaseMs / 3,
    runOnce: async () => {
      const start = { monotonic: performance.now(), wall: Date.now() }
      if (!registered) {
        await registerReplica(database, id, leaseMs, { host, ...label })
        registered = true
        logger.info({ replicaId: id, host }, 'replica registered')
      } else if (!(await renewReplica(database, id, leaseMs))) {
        logger.warn({ replicaId: id }, 'lease lost, going on under a new id')
        id = newUuid()
        registered = false
        deadline = { monotonic: Number.NEGATIVE_INFINITY, wall: Number.NEGATIVE_INFINITY }
        metrics?.replica.leasesLost.inc()
        return { again: true }
      }
      metrics?.replica.leaseRenewed.set(start.wall / 1000)
      deadline = { monotonic: start.monotonic + leaseMs - marginMs, wall: start.wall + leaseMs - marginMs }
      return { again: false }
    },
    onStop: async () => {
      if (!registered) return
      await releaseDuties(database, id)
      await resignReplica(database, id)
      onResigned?.()
    },
  })

  return {
    name: loop.name,
    start: loop.start,
    stop: loop.stop,
    id: () => id,
    holdsLease: () => performance.now() < deadline.monotonic && Date.now() < deadline.wall,
    holdDuty: async (duty, dutyLeaseMs) => registered && holdDuty(database, duty, id, dutyLeaseMs),
  }
}
