import type { ThroughPrisma } from '../database/database.ts'
import { askBucket } from './ask-bucket.sql.ts'
import { type Found, fault, ok, warning } from './finding.ts'

/** Whether calls of the project are made now, and if not, why. With `now` the call itself tells whether that lasts. */
export async function checkBudget(database: ThroughPrisma, projectId: string, now: boolean): Promise<Found> {
  const bucket = await askBucket(database, projectId)
  if (bucket === undefined) return ok('no order of this project so far')
  const { perSecond, atOnce, tokens, credentialId } = bucket
  const words = `${round(perSecond)} calls per second, ${round(atOnce)} at once, ${Math.floor(tokens)} tokens now`
  const held = [
    { of: `project ${projectId}`, reason: bucket.reason, until: bucket.until, closed: bucket.closed },
    {
      of: `credential ${credentialId}`,
      reason: bucket.credentialReason,
      until: bucket.credentialUntil,
      closed: bucket.credentialClosed,
    },
  ].filter(({ reason }) => reason !== null)
  const closed = held.find((one) => one.closed)
  if (closed !== undefined) {
    const { of, reason, until } = closed
    const remedy = REMEDIES[reason ?? ''] ?? 'the status of a waiting request says more'
    return (now ? warning : fault)(
      `calls of ${of} are held back: ${reason}, until ${until?.toISOString() ?? 'further notice'}`,
      remedy,
    )
  }
  const [probing] = held
  if (probing === undefined) return ok(words)
  return ok(`${words}; of ${probing.of} the next call is a probe (${probing.reason})`)
}

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
