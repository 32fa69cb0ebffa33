import { answerFacts, isSuccess } from './answer.ts'
import { cleanText } from './clean-text.ts'
import {
  CloudDcAccessError,
  type CloudDcError,
  CloudDcNotSentError,
  CloudDcRefusedError,
  CloudDcThrottledError,
  CloudDcUnexpectedError,
  CloudDcUnreachableError,
} from './errors.ts'
import { FAULT_CODES } from './evidence.ts'
import type { Exchange } from './exchange.ts'
import { meaningOf } from './refusal.ts'
import type { CredentialFault } from './unauthorized.ts'

/** What CloudDC, its gateways and IAM use as codes. */
const KNOWN_CODE = /^(?:iMetal|APIGW?|IAM|CloudDC|COM)\.\d{1,8}$/i

/**
 * The error for a reading call that gave nothing readable, cleaned of the given secrets. A listing concerns many
 * orders, and what it says may quote the password of any of them, so that of its words only a known code is kept.
 * `fault` is what is wrong with a credential that all its projects share.
 */
export function readingError(
  result: Exchange,
  secrets: readonly string[],
  fault?: CredentialFault,
): CloudDcError {
  if (result.kind === 'no_response') {
    const { code } = result
    const message = cleanText(result.message, secrets)
    if (code === FAULT_CODES.noCredential) return new CloudDcAccessError(message, 'unauthorized', { code })
    if (code === FAULT_CODES.notSent) return new CloudDcNotSentError(message, { code })
    return new CloudDcUnreachableError(message, { code })
  }
  const { message: _, ...answered } = answerFacts(result, () => secrets)
  const code = answered.code !== null && KNOWN_CODE.test(answered.code) ? answered.code : null
  const facts = { ...answered, code }
  const cut = result.complete ? '' : ', the answer was cut short'
  const message = `HTTP ${facts.status}${code === null ? '' : ` ${code}`}${cut}`
  if (isSuccess(facts.status)) return new CloudDcUnexpectedError(`unreadable answer: ${message}`, facts)
  const meaning = meaningOf(answered)
  // A reading call leaves nothing in doubt: only what other calls would meet matters.
  switch (meaning.done === false ? meaning.reason : meaning.closes) {
    case 'unauthorized':
      return new CloudDcAccessError(message, 'unauthorized', facts, fault)
    case 'forbidden':
      return new CloudDcAccessError(message, 'forbidden', facts)
    case 'misconfigured':
      return new CloudDcAccessError(message, 'misconfigured', facts)
    case 'throttled':
      return new CloudDcThrottledError(message, facts)
    case 'refused':
      return new CloudDcRefusedError(message, facts)
    default:
      return new CloudDcUnexpectedError(message, facts)
  }
}
