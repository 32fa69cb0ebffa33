import type { CredentialFault } from './unauthorized.ts'

/**
 * What one batch-create call left behind: all that the decision about its outcome rests on. Neither the password nor
 * the request body is ever in it.
 */
export type CallEvidence =
  | {
      kind: 'response'
      status: number
      /** From Retry-After; null when absent or unreadable. */
      retryAfterMs: number | null
      upstreamRequestId: string | null
      /** The usable ids in a 2xx answer that arrived whole and could be read, as they stand there; null otherwise. */
      instanceIds: string[] | null
      /** How many entries among them are not ids. */
      unusableIds: number
      /** CloudDC's error code, such as `iMetal.0101` or `APIGW.0308`. */
      code: string | null
      message: string
      /** What is wrong with a credential that all its projects share, where the answer refuses it. */
      credentialFault?: CredentialFault
    }
  | {
      kind: 'no_response'
      /** False only when it is certain that no byte of the request was written, and that none will be. */
      requestStarted: boolean
      /** Of the system, of undici, or one of `FAULT_CODES`. */
      code: string
      message: string
    }

/** Codes of calls without an answer that are this client's own. */
export const FAULT_CODES = {
  /** The whole call took longer than it may. */
  timeout: 'CALL_TIMEOUT',
  /** `beforeWrite` refused, or the client is closed. */
  notSent: 'NOT_SENT',
  /** The configured token could not be read. */
  noCredential: 'NO_CREDENTIAL',
} as const
