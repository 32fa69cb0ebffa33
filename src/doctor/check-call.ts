import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { applyCallResults } from '../budget/apply-call-results.sql.ts'
import { applyCredentialResults } from '../budget/apply-credential-results.sql.ts'
import { effectOfNoCall } from '../budget/call-effect.ts'
import { type CredentialNews, credentialEffect, newsOfReading } from '../budget/credential-effect.ts'
import { createLateness } from '../budget/lateness.ts'
import { payForReading, type ReadingPayment } from '../budget/pay-for-reading.sql.ts'
import { createCloudDcClient } from '../clouddc/client.ts'
import {
  CloudDcAccessError,
  CloudDcError,
  CloudDcNotSentError,
  CloudDcThrottledError,
  CloudDcUnreachableError,
} from '../clouddc/errors.ts'
import type { CredentialFault } from '../clouddc/unauthorized.ts'
import type { Database } from '../database/database.ts'
import type { Proof } from './check-credential.ts'
import { type Found, fault, ok, skipped, warning } from './finding.ts'
import { unreached } from './unreached.ts'

export interface CallOptions {
  projectId: string
  endpoint: string
  /** Null where there are no buckets: then no replica makes calls either. */
  database: Database | null
  /** Whether the call is made while those of the project are held back. */
  now: boolean
  proof: Proof
  callTimeoutMs: number
  ca: string | undefined
  logger: Logger
}

export const HELD_BACK = 'calls of the project are held back; --now makes one nevertheless'
/** CloudDC's least. */
const LIMIT = 10
const TOKEN_WAIT_MS = 15_000
/** The first one may be refused for the time of this machine, and too many be held up. */
const MOST_CALLS = 3

/** Makes one reading call, paid from the project's budget; where it is refused for its time, one more by the right time. */
export async function checkCall(options: CallOptions): Promise<Found> {
  const { projectId, endpoint, proof, callTimeoutMs, ca, logger } = options
  const client = createCloudDcClient({
    endpointOf: () => endpoint,
    auth: proof.auth,
    callTimeoutMs,
    connections: 1,
    ca,
    logger,
  })
  const lateness = createLateness()
  try {
    for (let calls = 1; ; calls += 1) {
      const paid = await pay(options)
      if (paid === 'closed') return skipped(HELD_BACK)
      if (paid === 'no token')
        return warning('no token became free', 'the budget is in full use: run this again')
      let written = false
      const beforeWrite = () => {
        if (paid !== null) lateness.check(paid)
        written = true
      }
      try {
        const page = await client.listInstances({ projectId, limit: LIMIT, beforeWrite })
        await settle(options, paid, newsOfReading(null))
        const listed = page.total ?? page.instances.length
        return ok(
          `ListInstances answers: ${listed}${page.total === null && page.nextMarker !== null ? ' or more' : ''} instances`,
        )
      } catch (error) {
        if (!(error instanceof CloudDcError)) throw error
        await settle(options, paid, written ? newsOfReading(error) : { kind: 'unused' })
        const again = error instanceof CloudDcNotSentError || proof.refusal()?.fault === 'clock'
        if (!again || calls >= MOST_CALLS) return refusalOf(error, options)
      }
    }
  } finally {
    await client.close()
  }
}

async function pay({
  database,
  projectId,
  now,
}: CallOptions): Promise<ReadingPayment | 'closed' | 'no token' | null> {
  if (database === null) return null
  const until = performance.now() + TOKEN_WAIT_MS
  for (;;) {
    const payment = await payForReading(database, { projectId, purpose: 'listing', share: 0, lateMs: 0 })
    if (payment === null || payment.granted) return payment
    if (payment.closed) return now ? null : 'closed'
    if (performance.now() + payment.waitMs > until) return 'no token'
    await sleep(Math.max(20, payment.waitMs))
  }
}

/** Tells the budget what became of the call: a token that was not used goes back, and a probe has its outcome. */
async function settle(
  { database, projectId, proof }: CallOptions,
  paid: ReadingPayment | null,
  news: CredentialNews,
): Promise<void> {
  if (paid === null || database === null) return
  if (news.kind === 'unused')
    await applyCallResults(database, [effectOfNoCall({ projectId, payment: paid.payment })])
  // Where the credential has changed since, the call says nothing of the one that has paid.
  const effect =
    paid.credentialId === proof.auth.credentialOf(projectId) ? credentialEffect(news, paid) : null
  if (effect !== null) await applyCredentialResults(database, [effect])
}

function refusalOf(error: CloudDcError, { projectId, endpoint, proof }: CallOptions): Found {
  if (error instanceof CloudDcUnreachableError) {
    const server = {
      what: 'CloudDC',
      at: endpoint,
      settings: 'CLOUDDC_ENDPOINT or the region',
      caSetting: 'CLOUDDC_CA_FILE',
    }
    return (
      unreached({ code: error.code, message: error.message }, server) ??
      fault(`CloudDC at ${endpoint}: ${error.message}`, 'check the address, and what lies on the way')
    )
  }
  if (error instanceof CloudDcThrottledError)
    return warning(
      `CloudDC throttles (${error.message})`,
      'somebody else uses the limit of this project or user',
    )
  const by = proof.id === null ? 'a call without a credential' : `credential ${proof.id}`
  if (!(error instanceof CloudDcAccessError))
    return fault(
      `CloudDC does not answer as it should: ${error.message}`,
      'run this again; then ask its support',
    )
  switch (error.trouble) {
    case 'unauthorized':
      return fault(...unauthorized(by, proof, error))
    case 'forbidden':
      return fault(
        `CloudDC forbids project ${projectId} to ${by} (${error.message})`,
        "check the project id, that it is of this region, the permission of the credential's user for CloudDC, and the addresses it may call from",
      )
    case 'misconfigured':
      return fault(
        `${endpoint} does not know CloudDC's calls (${error.message})`,
        'check CLOUDDC_ENDPOINT, its path included, the region, and proxies on the way',
      )
  }
}

function unauthorized(by: string, proof: Proof, { message }: CloudDcError): [says: string, next: string] {
  if (proof.id === null)
    return [
      `CloudDC refuses ${by} (${message})`,
      'set CLOUDDC_ACCESS_KEY and CLOUDDC_SECRET_KEY, or CLOUDDC_CREDENTIALS_FILE (docs/real-cloud.md)',
    ]
  const told: CredentialFault = proof.refusal()?.fault ?? 'expired'
  const [why, next] = REFUSALS[told]
  return [`CloudDC refuses ${by}: ${why} (${message})`, next]
}

const REFUSALS: Readonly<Record<CredentialFault, readonly [why: string, next: string]>> = {
  expired: [
    'the token is over, of another region, or missing',
    'put a new one in its place, or check the region; several projects need keys or a token for each',
  ],
  clock: ['the time of the signature is too far off', "set this machine's clock right (NTP)"],
  wrong_signature: [
    'the signature is wrong',
    'check the secret key, that it belongs to the access key, and that no proxy changes calls',
  ],
  unknown_key: ['there is no such access key', 'check the access key: it may have been deleted or mistyped'],
  locked: ['the key is locked', 'wait five minutes, then check the secret key before another try'],
}
