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
 * $1 replica, $2 accepted, $3 dispatched, $4 running, $5 failed, $6 published, $7 polls answered, $8 polls failed.
 */
const TEXT = `
INSERT INTO flow_count AS f (at, replica_id, accepted, dispatched, running, failed, published, polls_answered, polls_failed)
VALUES (
  ${stepOf(`clock_timestamp() - interval '${FLOW_STEP_SECONDS / 2} seconds'`)}, $1::uuid,
  $2::int, $3::int, $4::int, $5::int, $6::int, $7::int, $8::int
)
ON CONFLICT (at, replica_id) DO UPDATE
SET accepted = f.accepted + excluded.accepted,
  dispatched = f.dispatched + excluded.dispatched,
  running = f.running + excluded.running,
  failed = f.failed + excluded.failed,
  published = f.published + excluded.published,
  polls_answered = f.polls_answered + excluded.polls_answered,
  polls_failed = f.polls_failed + excluded.polls_failed
`

/**
 * What has been done: requests stored, calls of batch-create, requests that ended well and otherwise, events published, and
 * calls that asked for instances: those CloudDC answered, and those that failed.
 */
export interface Flow {
  accepted: number
  dispatched: number
  running: number
  failed: number
  published: number
  pollsAnswered: number
  pollsFailed: number
}

export const NO_FLOW: Flow = {
  accepted: 0,
  dispatched: 0,
  running: 0,
  failed: 0,
  published: 0,
  pollsAnswered: 0,
  pollsFailed: 0,
}

export async function addFlow(
  { throughPrisma }: ThroughPrisma,
  replicaId: string,
  flow: Flow,
): Promise<void> {
  const { accepted, dispatched, running, failed, published, pollsAnswered, pollsFailed } = flow
  const counts = [accepted, dispatched, running, failed, published, pollsAnswered, pollsFailed]
  await throughPrisma.query(TEXT, replicaId, ...counts)
}
