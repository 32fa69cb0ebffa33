import { beforeQuotedRequest } from './clean-text.ts'

/** Why the gateway refuses a credential. */
export type CredentialFault =
  /** It is over, or of another region, or it is not said why: another one may do. */
  | 'expired'
  /** The time of the signature is too far from the gateway's. */
  | 'clock'
  /** The signature is wrong: the secret key is, or something on the way changes the call. */
  | 'wrong_signature'
  /** There is no such key, or not any more. */
  | 'unknown_key'
  /** Too many wrong signatures: for five minutes every call with the key is refused, and prolongs nothing. */
  | 'locked'

/** In this order: the words for a wrong signature stand in some of the others. */
const WORDS: readonly (readonly [RegExp, CredentialFault])[] = [
  [/reach(?:ed)? the limit|\blocked\b/i, 'locked'],
  [/signature expired|x-sdk-date|clock skew/i, 'clock'],
  [/\bak\b.{0,200}?\bnot (?:exist|found)|get secret_?key failed|invalid access key/i, 'unknown_key'],
  [/token expire|expired token|decrypt token/i, 'expired'],
  [/verify aksk signature|signature.{0,40}(?:fail|not match|mismatch|invalid)/i, 'wrong_signature'],
]

/** What a refusal of the credential says is wrong with it, by the words of the answer, null where it has none. Pure, total. */
export function credentialFault(words: string | null): CredentialFault {
  if (words === null) return 'expired'
  // A quoted request has words of its own, such as X-Sdk-Date.
  return faultIn(beforeQuotedRequest(words)) ?? faultIn(words) ?? 'expired'
}

const faultIn = (words: string) => WORDS.find(([pattern]) => pattern.test(words))?.[1]

/** Only what differs with the credential is worth another look: these are the same with any. */
export function mayAnotherHelp(fault: CredentialFault): boolean {
  return fault === 'expired' || fault === 'unknown_key' || fault === 'wrong_signature'
}
