import { cleanText } from './clean-text.ts'
import { parseErrorBody } from './error-body.ts'
import type { CallEvidence } from './evidence.ts'
import type { Exchange } from './exchange.ts'
import { parseRetryAfter } from './retry-after.ts'

type Response = Extract<Exchange, { kind: 'response' }>

const CODE_LENGTH = 128
const REQUEST_ID_LENGTH = 128

/** What an answer says beside its payload. */
export type AnswerFacts = Pick<
  Extract<CallEvidence, { kind: 'response' }>,
  'status' | 'retryAfterMs' | 'upstreamRequestId' | 'code' | 'message'
>

/**
 * Status, code, words and headers of an answer, cleaned of the given secrets, which are asked for only where the answer
 * says anything. A body that is not JSON, or was cut
 * short, hides neither the status nor the headers; one that was cut short gives no words, since a quotation in it
 * could end inside a secret.
 */
export function answerFacts(response: Response, secrets: () => readonly string[]): AnswerFacts {
  const { status, headers, body, complete } = response
  const said = complete && !isSuccess(status) ? parseErrorBody(body.toString('utf8')) : null
  return {
    status,
    retryAfterMs: parseRetryAfter(headers['retry-after'], headers.date, Date.now()),
    upstreamRequestId:
      requestIdOf([headers['x-request-id']].flat()[0], secrets) ?? requestIdOf(said?.requestId, secrets),
    code: said?.code == null ? null : cleanText(said.code, secrets(), CODE_LENGTH) || null,
    message:
      said?.message == null
        ? `HTTP ${status}${complete ? '' : ', the answer was cut short'}`
        : cleanText(said.message, secrets()),
  }
}

/** CloudDC's id of a call as it may be stored and shown: printable ASCII. Null when there is none. */
function requestIdOf(text: string | null | undefined, secrets: () => readonly string[]): string | null {
  if (text == null) return null
  return cleanText(text, secrets(), REQUEST_ID_LENGTH).replace(/[^\x20-\x7e]+/g, '?') || null
}

export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}
