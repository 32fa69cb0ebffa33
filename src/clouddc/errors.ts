import type { AccessTrouble } from './refusal.ts'
import type { CredentialFault } from './unauthorized.ts'

/** Facts that every failed reading call carries. */
export interface CloudDcErrorFacts {
  /** Null when no answer came. */
  status: number | null
  /** CloudDC's error code, or the system's when no answer came. */
  code: string | null
  retryAfterMs: number | null
  upstreamRequestId: string | null
}

/** A reading call that did not give what was asked for. Decide by the class, never by the message. */
export abstract class CloudDcError extends Error {
  /** Whether the same call may succeed later without intervention. */
  abstract readonly retryable: boolean
  readonly status: number | null
  readonly code: string | null
  readonly retryAfterMs: number | null
  readonly upstreamRequestId: string | null

  constructor(message: string, facts: Partial<CloudDcErrorFacts> = {}) {
    super(message)
    this.status = facts.status ?? null
    this.code = facts.code ?? null
    this.retryAfterMs = facts.retryAfterMs ?? null
    this.upstreamRequestId = facts.upstreamRequestId ?? null
  }
}

/** 429: the call limit is reached. Wait at least `retryAfterMs` where it is given. */
export class CloudDcThrottledError extends CloudDcError {
  override readonly name = 'CloudDcThrottledError'
  readonly retryable = true
}

/**
 * We are refused, not what was asked for: the token (a renewal is under way, or none could be read), the permission, or
 * the address. Retry late: refused tokens in a row lock an account out.
 */
export class CloudDcAccessError extends CloudDcError {
  override readonly name = 'CloudDcAccessError'
  readonly retryable = true
  readonly trouble: AccessTrouble
  /** What is wrong with a credential that all its projects share; null where it is not that. */
  readonly credentialFault: CredentialFault | null

  constructor(
    message: string,
    trouble: AccessTrouble,
    facts: Partial<CloudDcErrorFacts> = {},
    credentialFault: CredentialFault | null = null,
  ) {
    super(message, facts)
    this.trouble = trouble
    this.credentialFault = credentialFault
  }
}

/** No answer: not reached, cut off or too slow. */
export class CloudDcUnreachableError extends CloudDcError {
  override readonly name = 'CloudDcUnreachableError'
  readonly retryable = true
}

/** `beforeWrite` refused, or the client is closed: no byte was sent. */
export class CloudDcNotSentError extends CloudDcError {
  override readonly name = 'CloudDcNotSentError'
  readonly retryable = true
}

/** CloudDC's own word on what was asked for: the same call will be refused again. */
export class CloudDcRefusedError extends CloudDcError {
  override readonly name = 'CloudDcRefusedError'
  readonly retryable = false
}

/** 5xx, or an answer that says nothing, cannot be read or cannot be complete. */
export class CloudDcUnexpectedError extends CloudDcError {
  override readonly name = 'CloudDcUnexpectedError'
  readonly retryable = true
}
