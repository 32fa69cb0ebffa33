import type { Rejection } from '../contracts/events.ts'
import type { Fault } from '../contracts/fault.ts'
import type { ThroughPrisma } from '../database/database.ts'
import { toJson } from '../database/json.ts'

/**
 * Stores the rows of letters in the index of dead letters, and what their events are made from as one segment of the
 * outbox. A letter that has its row already, from a try whose answer was lost, keeps it.
 *
 * $1 letters as JSON, $2 the events' rejections as JSON, or null where there are none.
 */
const TEXT = `
WITH letters AS (
  INSERT INTO dead_letter (id, at, code, project_id, request_id, faults, bytes)
  SELECT l."id", l."at", l."code", l."projectId", l."requestId", l."faults"::text, l."bytes"
  FROM json_to_recordset($1::json) AS l(
    "id" uuid, "at" timestamptz, "code" text, "projectId" text, "requestId" text, "faults" json, "bytes" int4
  )
  ON CONFLICT (id) DO NOTHING
)
INSERT INTO outbox_segment (rejections)
SELECT $2::text WHERE $2::text IS NOT NULL
RETURNING 1 AS "row"
`

/** A dead letter as the index holds it. */
export interface IndexedLetter {
  /** letterId. */
  id: string
  at: Date
  code: string
  projectId: string | null
  requestId: string | null
  faults: readonly Fault[]
  /** Size of the message's body. */
  bytes: number
}

/** A rejected message: its letter, and its event where it has ids. */
export interface RejectedMessage {
  letter: IndexedLetter
  event: Rejection | null
}

export async function insertRejections(
  { throughPrisma }: ThroughPrisma,
  rejected: readonly RejectedMessage[],
): Promise<void> {
  const events = rejected.flatMap(({ event }) => (event === null ? [] : [event]))
  const letters = rejected.map(({ letter }) => letter)
  await throughPrisma.query(TEXT, toJson(letters), events.length === 0 ? null : toJson(events))
}
