import { type CallEvidence, FAULT_CODES } from '../clouddc/evidence.ts'
import { meaningOf, type RefusalReason } from '../clouddc/refusal.ts'
import type { CredentialFault } from '../clouddc/unauthorized.ts'

/** What a batch-create attempt came to. The fields beside the class are evidence. */
export type Outcome = Classification & {
  /** CloudDC's id of the call, where an answer named one. */
  upstreamRequestId?: string
  /** What is wrong with a credential that all its projects share, where the answer refuses it. */
  credentialFault?: CredentialFault
}

type Classification =
  | { class: 'created'; instanceIds: string[]; httpStatus: number }
  | {
      class: 'not_created'
      reason: NotCreatedReason
      code: string
      message: string
      httpStatus: number | null
      retryAfterMs: number | null
    }
  | {
      class: 'unknown'
      reason: UnknownReason
      code: string
      message: string
      httpStatus: number | null
      /** The instances named by an answer that cannot be relied on. */
      named?: readonly string[]
      /** What the project's other calls would meet as well, where that is known. */
      closes?: 'misconfigured' | 'upstream_unavailable'
    }

export type NotCreatedReason = RefusalReason | 'unreachable' | 'not_sent'

export type UnknownReason =
  | 'timeout'
  | 'connection_lost'
  | 'server_error'
  | 'unreadable_answer'
  | 'broken_promise'
  | 'unexpected_status'

/** What a 202 promises to name: at least and at most so many instances; for selected servers one for each. */
export interface Promised {
  minCount: number
  maxCount: number
}

/** Named instances that are kept as evidence: more than any answer may name. */
const NAMED_KEPT = 200

type Answer = Extract<CallEvidence, { kind: 'response' }>
type Silence = Extract<CallEvidence, { kind: 'no_response' }>

const TIMEOUT_CODES: readonly string[] = [
  FAULT_CODES.timeout,
  'ETIMEDOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]

/** What undici calls an answer that is not HTTP; its parser's own codes begin with HPE_. */
const UNREADABLE_CODES: readonly string[] = [
  'HTTPParserError',
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
]

/** The one decision that keeps a server from being ordered twice. When in doubt: unknown. */
export function classifyOutcome(evidence: CallEvidence, promised: Promised): Outcome {
  if (evidence.kind === 'no_response') return ofSilence(evidence)
  const { upstreamRequestId, credentialFault } = evidence
  return {
    ...ofAnswer(evidence, promised),
    ...(upstreamRequestId === null ? {} : { upstreamRequestId }),
    ...(credentialFault === undefined ? {} : { credentialFault }),
  }
}

function ofAnswer(answer: Answer, promised: Promised): Classification {
  const { status, message } = answer
  const code = answer.code ?? `http_${status}`
  if (isIn(status, 200)) {
    const { instanceIds } = answer
    if (instanceIds === null)
      return { class: 'unknown', reason: 'unreadable_answer', code, message, httpStatus: status }
    const breach = breachOf(answer, instanceIds, promised)
    if (breach === null) return { class: 'created', instanceIds, httpStatus: status }
    const named = [...new Set(instanceIds)].slice(0, NAMED_KEPT)
    const reason = 'broken_promise'
    return { class: 'unknown', reason, code: reason, message: breach, httpStatus: status, named }
  }
  const facts = { code, message, httpStatus: status }
  const meaning = meaningOf(answer)
  if (meaning.done === false) {
    return { class: 'not_created', reason: meaning.reason, ...facts, retryAfterMs: answer.retryAfterMs }
  }
  const { closes } = meaning
  return { class: 'unknown', reason: doubtOf(status), ...facts, ...(closes === null ? {} : { closes }) }
}

/** The outcome of an answer that looked whole, yet named instances that another attempt has. */
export function namedOthers(created: Extract<Outcome, { class: 'created' }>): Outcome {
  const { instanceIds: named, ...facts } = created
  const reason = 'broken_promise'
  return {
    ...facts,
    class: 'unknown',
    reason,
    code: reason,
    message: 'an instance of another order is named',
    named,
  }
}

/** How an answer breaks the promise to name every instance, each once; null when it keeps it. */
function breachOf(
  { unusableIds }: Answer,
  ids: readonly string[],
  { minCount, maxCount }: Promised,
): string | null {
  const promised = minCount === maxCount ? `${minCount}` : `${minCount} to ${maxCount}`
  const distinct = new Set(ids).size
  if (distinct < minCount || distinct > maxCount) return `instances named: ${distinct}, promised: ${promised}`
  if (distinct < ids.length) return 'an instance is named more than once'
  return unusableIds > 0 ? 'something is named that is no id' : null
}

function doubtOf(status: number): UnknownReason {
  if (status === 408 || status === 499) return 'timeout'
  return isIn(status, 500) ? 'server_error' : 'unexpected_status'
}

function ofSilence({ requestStarted, code, message }: Silence): Classification {
  if (!requestStarted) {
    return {
      class: 'not_created',
      reason: unsentReason(code),
      code,
      message,
      httpStatus: null,
      retryAfterMs: null,
    }
  }
  return { class: 'unknown', reason: lossOf(code), code, message, httpStatus: null }
}

function unsentReason(code: string): NotCreatedReason {
  if (code === FAULT_CODES.notSent) return 'not_sent'
  return code === FAULT_CODES.noCredential ? 'unauthorized' : 'unreachable'
}

function lossOf(code: string): UnknownReason {
  if (TIMEOUT_CODES.includes(code)) return 'timeout'
  return UNREADABLE_CODES.includes(code) || code.startsWith('HPE_') ? 'unreadable_answer' : 'connection_lost'
}

function isIn(status: number, hundred: number): boolean {
  return status >= hundred && status < hundred + 100
}
