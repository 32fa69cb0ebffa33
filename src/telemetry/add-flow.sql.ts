import type { ThroughPrisma } from '../database/database.ts'

/** Length of the steps that counts are kept in, in seconds. */
export const FLOW_STEP_SECONDS = 10

/** The step that a time (SQL) lies in. */
export const stepOf = (time: string): string =>
  `date_bin('${FLOW_STEP_SECONDS} seconds', ${time}, 'epoch'::timestamptz)`

/**
 * Adds what a replica has done since it last told to the step that is just over; at the end of a replica, within a step, to
 * the one that most of it lies in.
 *
 * $1 replica, $2 accepted, $3 dispatched, $4 running, $5 failed, $6 published.
 */
const TEXT = `
INSERT INTO flow_count AS f (at, replica_id, accepted, dispatched, running, failed, published)
VALUES (
  ${stepOf(`clock_timestamp() - interval '${FLOW_STEP_SECONDS / 2} seconds'`)}, $1::uuid,
  $2::int, $3::int, $4::int, $5::int, $6::int
)
ON CONFLICT (at, replica_id) DO UPDATE
SET accepted = f.accepted + excluded.accepted,
  dispatched = f.dispatched + excluded.dispatched,
  running = f.running + excluded.running,
  failed = f.failed + excluded.failed,
  published = f.published + excluded.published
`

/** What has been done: requests stored, calls of batch-create, requests that ended well and otherwise, events published. */
export interface Flow {
  accepted: number
  dispatched: number
  running: number
  failed: number
  published: number
}

export async function addFlow(
  { throughPrisma }: ThroughPrisma,
  replicaId: string,
  flow: Flow,
): Promise<void> {
  const { accepted, dispatched, running, failed, published } = flow
  await throughPrisma.query(TEXT, replicaId, accepted, dispatched, running, failed, published)
}
