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

/** The error for a reading call that gave nothing readable, cleaned of the given secrets. */
export function readingError(result: Exchange, secrets: readonly string[]): CloudDcError {
  if (result.kind === 'no_response') {
    const { code } = result
    const message = cleanText(result.message, secrets)
    if (code === FAULT_CODES.noCredential) return new CloudDcAccessError(message, 'unauthorized', { code })
    if (code === FAULT_CODES.notSent) return new CloudDcNotSentError(message, { code })
    return new CloudDcUnreachableError(message, { code })
  }
  const { message, ...facts } = answerFacts(result, secrets)
  if (isSuccess(facts.status)) return new CloudDcUnexpectedError(`unreadable answer: ${message}`, facts)
  const meaning = meaningOf(facts)
  // A reading call leaves nothing in doubt: what others would meet is all that matters.
  switch (meaning.done === false ? meaning.reason : meaning.closes) {
    case 'unauthorized':
      return new CloudDcAccessError(message, 'unauthorized', facts)
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
