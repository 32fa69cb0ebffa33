import type { Rejection } from '../contracts/events.ts'
import type { Sql } from '../database/database.ts'
import { toJson } from '../database/json.ts'

/** One segment of the outbox for messages that were rejected together. $1 rejections as a JSON array. */
const TEXT = `INSERT INTO outbox_segment (rejections) VALUES ($1)`

export async function insertRejections(sql: Sql, rejections: readonly Rejection[]): Promise<void> {
  if (rejections.length > 0) await sql.query(TEXT, toJson(rejections))
}
