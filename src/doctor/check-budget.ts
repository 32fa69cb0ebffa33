import type { ThroughPrisma } from '../database/database.ts'
import { type AskedBucket, type AskedOperators, askBucket } from './ask-bucket.sql.ts'
import { type Found, fault, ok, warning } from './finding.ts'

/**
 * Whether calls of the project are made now, and if not, why. With `now` the call itself tells whether that lasts.
 * `holdsBack`: no call is made. A pause by a person holds back orders only.
 */
export async function checkBudget(
  database: ThroughPrisma,
  projectId: string,
  now: boolean,
): Promise<{ found: Found; holdsBack: boolean }> {
  const { bucket, operators } = await askBucket(database, projectId)
  const closing = bucket === null ? undefined : holdingBack(projectId, bucket).find((one) => one.closed)
  const holdsBack = closing !== undefined && !now
  if (operators.pause !== null) return { found: pausedWords(operators), holdsBack }
  if (bucket === null) return { found: ok('no order of this project so far'), holdsBack }
  if (closing === undefined) return { found: openWords(projectId, bucket, operators), holdsBack }
  const { of, reason, until } = closing
  const remedy = REMEDIES[reason ?? ''] ?? 'the status of a waiting request says more'
  const found = (now ? warning : fault)(
    `calls of ${of} are held back: ${reason}, until ${until?.toISOString() ?? 'further notice'}`,
    remedy,
  )
  return { found, holdsBack }
}

function holdingBack(projectId: string, bucket: AskedBucket) {
  const { credentialId, credentialReason, credentialUntil, credentialClosed } = bucket
  return [
    { of: `project ${projectId}`, reason: bucket.reason, until: bucket.until, closed: bucket.closed },
    {
      of: `credential ${credentialId}`,
      reason: credentialReason,
      until: credentialUntil,
      closed: credentialClosed,
    },
  ].filter(({ reason }) => reason !== null)
}

function pausedWords({ pause, pausedUntil }: AskedOperators): Found {
  const end = pausedUntil === null ? 'until somebody resumes it' : `until ${pausedUntil.toISOString()}`
  return fault(`no order is sent: ${pause}; ${end}`, RESUME)
}

function openWords(
  projectId: string,
  bucket: AskedBucket,
  { limitedBy, limitedUntil }: AskedOperators,
): Found {
  const { perSecond, atOnce, tokens } = bucket
  const end = limitedUntil === null ? '' : ` until ${limitedUntil.toISOString()}`
  const set = limitedBy === null ? '' : ` (set by ${limitedBy}${end})`
  const words = `${round(perSecond)} calls per second, ${round(atOnce)} at once${set}, ${Math.floor(tokens)} tokens now`
  const [probing] = holdingBack(projectId, bucket)
  if (probing === undefined) return ok(words)
  return ok(`${words}; of ${probing.of} the next call is a probe (${probing.reason})`)
}

const RESUME = 'resume it when the reason is gone (docs/operations.md, Pausing)'

const REMEDIES: Readonly<Record<string, string>> = {
  throttled: 'CloudDC throttles: wait; if it happens often, lower RATE_LIMIT_PER_SECOND',
  upstream_unavailable: 'CloudDC was not reached; a probe is made then; --now makes a call at once',
  unauthorized:
    'mend the credential if the log says what is wrong; a probe is made then; --now makes a call at once',
  forbidden: "mend the user's permission; a probe is made then; --now makes a call at once",
  misconfigured: 'correct the address; a probe is made then; --now makes a call at once',
}

/** At most two decimals. */
const round = (value: number) => Number(value.toFixed(2))
