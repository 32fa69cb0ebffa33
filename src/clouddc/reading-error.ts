import { answerFacts, isUnauthorized } from './answer.ts'
import { cleanText } from './clean-text.ts'
import {
  type CloudDcError,
  CloudDcNotSentError,
  CloudDcRefusedError,
  CloudDcThrottledError,
  CloudDcUnauthorizedError,
  CloudDcUnexpectedError,
  CloudDcUnreachableError,
} from './errors.ts'
import { FAULT_CODES } from './evidence.ts'
import type { Exchange } from './exchange.ts'

/** The error for a reading call that gave nothing readable, cleaned of the given secrets. */
export function readingError(result: Exchange, secrets: readonly string[]): CloudDcError {
  if (result.kind === 'no_response') {
    const { code } = result
    const message = cleanText(result.message, secrets)
    if (code === FAULT_CODES.noCredential) return new CloudDcUnauthorizedError(message, { code })
    if (code === FAULT_CODES.notSent) return new CloudDcNotSentError(message, { code })
    return new CloudDcUnreachableError(message, { code })
  }
  const { message, ...facts } = answerFacts(result, secrets)
  const { status } = facts
  if (isUnauthorized(facts)) return new CloudDcUnauthorizedError(message, facts)
  if (status === 429) return new CloudDcThrottledError(message, facts)
  // 408: too slow this time. 499: a proxy's word for the same.
  if (status >= 400 && status < 500 && status !== 408 && status !== 499)
    return new CloudDcRefusedError(message, facts)
  return new CloudDcUnexpectedError(status < 300 ? `unreadable answer: ${message}` : message, facts)
}
