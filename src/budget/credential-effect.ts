import { LOCK_MS } from '../clouddc/auth/locks.ts'
import { CloudDcAccessError, CloudDcNotSentError, CloudDcRefusedError } from '../clouddc/errors.ts'
import type { CredentialFault } from '../clouddc/unauthorized.ts'
import type { CredentialEffect } from './apply-credential-results.sql.ts'
import { type CallResult, NOT_SENDABLE } from './call-effect.ts'

/** What a call was paid with, as far as its credential is concerned. */
export interface CredentialPayment {
  credentialId: string
  /** Of a credential that may hold calls back, else null: whether the call is its probe. */
  credentialProbing: boolean | null
  /** UUID. The name of the payment. */
  payment: string
}

/** What a call says of its credential. */
export type CredentialNews =
  /** It was taken: also where CloudDC then refused what was asked for, or the project. */
  | { kind: 'accepted' }
  /** It was refused, for all projects alike. */
  | { kind: 'refused'; fault: CredentialFault }
  /** No call was made. */
  | { kind: 'unused' }
  /** The call says nothing of it. */
  | { kind: 'silent' }

/** What is wrong with the key itself. */
const LOCKING: readonly CredentialFault[] = ['unknown_key', 'wrong_signature', 'locked']

const SILENT: CredentialNews = { kind: 'silent' }

export function newsOfCreating(outcome: CallResult & { credentialFault?: CredentialFault }): CredentialNews {
  if (outcome.credentialFault !== undefined) return { kind: 'refused', fault: outcome.credentialFault }
  if (outcome.class === 'created') return { kind: 'accepted' }
  if (outcome.class === 'unknown') return outcome.reason === 'broken_promise' ? { kind: 'accepted' } : SILENT
  if (outcome.reason === 'not_sent' || outcome.code === NOT_SENDABLE) return { kind: 'unused' }
  return outcome.reason === 'refused' || outcome.reason === 'forbidden' ? { kind: 'accepted' } : SILENT
}

/** `error` is what a reading call failed with; null where it did not fail. */
export function newsOfReading(error: unknown): CredentialNews {
  if (error === null) return { kind: 'accepted' }
  if (error instanceof CloudDcNotSentError) return { kind: 'unused' }
  if (error instanceof CloudDcRefusedError) return { kind: 'accepted' }
  if (!(error instanceof CloudDcAccessError)) return SILENT
  if (error.credentialFault !== null) return { kind: 'refused', fault: error.credentialFault }
  return error.trouble === 'forbidden' ? { kind: 'accepted' } : SILENT
}

/** What the news mean for the credential's bucket, null when nothing: a locked key is waited out. */
export function credentialEffect(
  news: CredentialNews,
  { credentialId, credentialProbing, payment }: CredentialPayment,
): CredentialEffect | null {
  if (news.kind === 'refused') {
    const leastMs = news.fault === 'locked' ? LOCK_MS : null
    const refusals = LOCKING.includes(news.fault) ? 1 : 0
    return { credentialId, effect: 'trouble', leastMs, refusals, refunds: [] }
  }
  if (news.kind === 'unused' && credentialProbing !== null)
    return { credentialId, effect: 'unused', leastMs: null, refusals: 0, refunds: [payment] }
  if (credentialProbing !== true) return null
  const effect = news.kind === 'accepted' ? 'clear' : 'silent'
  return { credentialId, effect, leastMs: null, refusals: 0, refunds: [] }
}

/** One effect for each credential: the gravest counts, the longest time first. All tokens go back, all refusals count. */
export function oneEffectPerCredential(effects: readonly CredentialEffect[]): CredentialEffect[] {
  return [...Map.groupBy(effects, ({ credentialId }) => credentialId).values()].flatMap((own) => {
    const [gravest] = own.toSorted((one, other) => gravityOf(other) - gravityOf(one))
    if (gravest === undefined) return []
    return [
      {
        ...gravest,
        refusals: own.reduce((sum, { refusals }) => sum + refusals, 0),
        refunds: own.flatMap(({ refunds }) => refunds),
      },
    ]
  })
}

function gravityOf({ effect, leastMs }: CredentialEffect): number {
  if (effect === 'trouble') return 3 + (leastMs ?? 0)
  return ['silent', 'unused', 'clear'].indexOf(effect)
}
