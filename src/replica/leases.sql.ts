import type { Database, ThroughPrisma } from '../database/database.ts'

/** Registers a replica. $1 replica, $2 lease in milliseconds, $3 host, $4 version, $5 roles. */
const REGISTER = `
INSERT INTO replica (id, started_at, lease_until, host, version, roles)
VALUES (
  $1::uuid, clock_timestamp(), clock_timestamp() + make_interval(secs => $2::float8 / 1000), $3, $4, $5::text[]
)
ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until, seen_at = clock_timestamp()
`

/** Renews a lease that has not run out; a replica whose lease has is gone for good. */
const RENEW = `
UPDATE replica
SET lease_until = clock_timestamp() + make_interval(secs => $2::float8 / 1000), seen_at = clock_timestamp()
WHERE id = $1::uuid AND lease_until > clock_timestamp()
RETURNING id::text AS "id"
`

/** Ends a lease at once, so that others need not wait for it. */
const RESIGN = `
UPDATE replica
SET lease_until = clock_timestamp()
WHERE id = $1::uuid
`

/** Takes or keeps a duty. $1 duty, $2 replica, $3 lease in milliseconds. */
const HOLD_DUTY = `
INSERT INTO duty_lease (duty, replica_id, lease_until)
VALUES ($1, $2::uuid, clock_timestamp() + make_interval(secs => $3::float8 / 1000))
ON CONFLICT (duty) DO UPDATE
SET replica_id = excluded.replica_id, lease_until = excluded.lease_until
WHERE duty_lease.replica_id = excluded.replica_id OR duty_lease.lease_until <= clock_timestamp()
RETURNING duty
`

/** When the next lease of another replica runs out. $1 this replica. */
const NEXT_END = `
SELECT extract(epoch FROM min(lease_until) - clock_timestamp())::float8 * 1000 AS "inMs"
FROM replica
WHERE id <> $1::uuid
`

/** Milliseconds until the lease of another replica runs out, as it stands now; infinite where there is no other. */
export async function nextLeaseEndMs({ throughPrisma }: ThroughPrisma, replicaId: string): Promise<number> {
  const [row] = await throughPrisma.query<{ inMs: number | null }>(NEXT_END, replicaId)
  return row?.inMs ?? Number.POSITIVE_INFINITY
}

/** What operators know a replica by. */
export interface ReplicaLabel {
  /** Name of its machine or container. */
  host: string
  version: string
  roles: readonly string[]
}

export async function registerReplica(
  { throughPrisma }: ThroughPrisma,
  replicaId: string,
  leaseMs: number,
  { host, version, roles }: ReplicaLabel = { host: '', version: '', roles: [] },
): Promise<void> {
  await throughPrisma.query(REGISTER, replicaId, leaseMs, host, version, [...roles])
}

/** False when the lease had run out: the replica must go on under a new id. */
export async function renewReplica(
  { throughPrisma }: ThroughPrisma,
  replicaId: string,
  leaseMs: number,
): Promise<boolean> {
  return (await throughPrisma.query(RENEW, replicaId, leaseMs)).length > 0
}

export async function resignReplica({ throughPrisma }: ThroughPrisma, replicaId: string): Promise<void> {
  await throughPrisma.query(RESIGN, replicaId)
}

/** True while this replica holds the duty. */
export async function holdDuty(
  { throughPrisma }: ThroughPrisma,
  duty: string,
  replicaId: string,
  leaseMs: number,
): Promise<boolean> {
  return (await throughPrisma.query(HOLD_DUTY, duty, replicaId, leaseMs)).length > 0
}

/** Leaves all duties of a replica to others. */
export async function releaseDuties({ prisma }: Pick<Database, 'prisma'>, replicaId: string): Promise<void> {
  await prisma.dutyLease.deleteMany({ where: { replicaId } })
}
