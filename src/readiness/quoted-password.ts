import { ERROR_LENGTH } from '../clouddc/wire.ts'
import type { Database } from '../database/database.ts'
import { findPasswordDigests, type StoredDigest } from './password-digests.sql.ts'
import type { ObservationRow } from './record-observations.sql.ts'

/** Whether a text may hold the password that has this digest. */
export type HoldsPassword = (text: string, stored: StoredDigest) => Promise<boolean>

/** The most a password takes up in any spelling: this much text before a cut could be part of one. */
const QUOTATION_LENGTH = 26 * 6
const NEUTRAL_CODE = 'instance_failed'
const NEUTRAL_MESSAGE =
  'CloudDC reports a failure in words that are not shown, since they may hold the password'

/**
 * Removes from the rows of failed instances what CloudDC says about them if it may hold the password of their
 * request: these words are stored, published and shown.
 */
export async function withoutPasswords(
  database: Database,
  rows: readonly ObservationRow[],
  holdsPassword: HoldsPassword,
): Promise<ObservationRow[]> {
  const quoting = rows.filter((row) => row.state === 'failed' && row.upstreamState !== null)
  if (quoting.length === 0) return [...rows]
  const requestIds = [...new Set(quoting.map((row) => row.provisionRequestId))]
  const digests = new Map((await findPasswordDigests(database, requestIds)).map((one) => [one.id, one]))
  /** Instances of one request mostly fail with the same words. */
  const known = new Map<string, Promise<boolean>>()
  const isQuoted = (text: string | null, requestId: string): Promise<boolean> => {
    const stored = digests.get(requestId)
    if (text === null || stored === undefined) return Promise.resolve(false)
    const key = `${requestId} ${text}`
    const found = known.get(key) ?? holdsPassword(text, stored)
    known.set(key, found)
    return found
  }

  const messageOf = async ({ errorMessage, provisionRequestId }: ObservationRow) => {
    if (await isQuoted(errorMessage, provisionRequestId)) return NEUTRAL_MESSAGE
    const wasCut = errorMessage !== null && errorMessage.length >= ERROR_LENGTH
    return wasCut ? errorMessage.slice(0, ERROR_LENGTH - QUOTATION_LENGTH).toWellFormed() : errorMessage
  }

  const cleaned: ObservationRow[] = []
  for (const row of rows) {
    if (!quoting.includes(row)) {
      cleaned.push(row)
      continue
    }
    const id = row.provisionRequestId
    cleaned.push({
      ...row,
      errorCode: (await isQuoted(row.errorCode, id)) ? NEUTRAL_CODE : row.errorCode,
      errorMessage: await messageOf(row),
      upstreamState: (await isQuoted(row.upstreamState, id)) ? null : row.upstreamState,
    })
  }
  return cleaned
}
