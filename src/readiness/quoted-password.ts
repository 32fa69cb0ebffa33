import { ERROR_LENGTH } from '../clouddc/wire.ts'
import type { ThroughPrisma } from '../database/database.ts'
import type { Observation } from './observation.ts'
import { findPasswordDigests, type StoredDigest } from './password-digests.sql.ts'

/** Whether a text may hold the password that has this digest. */
export type HoldsPassword = (text: string, stored: StoredDigest) => Promise<boolean>

/** The most a password takes up in any spelling: this much text before a cut could be part of one. */
const QUOTATION_LENGTH = 26 * 6
const NEUTRAL_CODE = 'instance_failed'
const NEUTRAL_MESSAGE =
  'CloudDC reports a failure in words that are not shown, since they may hold the password'

/**
 * Removes from what was seen of failed instances what CloudDC says about them if it may hold the password of their
 * request: these words are stored, published and shown.
 */
export async function withoutPasswords(
  database: ThroughPrisma,
  projectId: string,
  observations: readonly Observation[],
  holdsPassword: HoldsPassword,
): Promise<Observation[]> {
  const quoting = observations.filter(
    ({ state, upstreamState }) => state === 'failed' && upstreamState !== null,
  )
  if (quoting.length === 0) return [...observations]
  const digests = await findPasswordDigests(
    database,
    projectId,
    quoting.map(({ member }) => member.id),
  )
  /** Instances of one request mostly fail with the same words. */
  const known = new Map<string, Promise<boolean>>()
  const isQuoted = (text: string | null, stored: StoredDigest): Promise<boolean> => {
    if (text === null) return Promise.resolve(false)
    const key = `${stored.id} ${text}`
    const found = known.get(key) ?? holdsPassword(text, stored)
    known.set(key, found)
    return found
  }

  const messageOf = async ({ errorMessage }: Observation, stored: StoredDigest) => {
    if (await isQuoted(errorMessage, stored)) return NEUTRAL_MESSAGE
    const wasCut = errorMessage !== null && errorMessage.length >= ERROR_LENGTH
    return wasCut ? errorMessage.slice(0, ERROR_LENGTH - QUOTATION_LENGTH).toWellFormed() : errorMessage
  }

  const cleaned: Observation[] = []
  for (const one of observations) {
    const stored = quoting.includes(one) ? digests.get(one.member.id) : undefined
    if (stored === undefined) {
      cleaned.push(one)
      continue
    }
    cleaned.push({
      ...one,
      errorCode: (await isQuoted(one.errorCode, stored)) ? NEUTRAL_CODE : one.errorCode,
      errorMessage: await messageOf(one, stored),
      upstreamState: (await isQuoted(one.upstreamState, stored)) ? null : one.upstreamState,
    })
  }
  return cleaned
}
