import type { CredentialFault } from '../unauthorized.ts'
import type { Query } from './percent-encoding.ts'

/** A call as it will be on the wire: what its credential may be made from. */
export interface CallToAuthenticate {
  projectId: string
  method: 'GET' | 'POST'
  /** Percent-encoded, without query. */
  path: string
  /** In any order, not encoded. */
  query: Query
  /** `host`, with a port that is not the scheme's own, and `content-type` where there is a body. */
  headers: Readonly<Record<string, string>>
  /** The very bytes that will be sent; empty for none. */
  body: Uint8Array
}

/** An answer that refuses the credential. */
export interface CredentialRefusal {
  fault: CredentialFault
  /** The header Date of the answer. */
  date: string | undefined
}

/** How the calls of one credential are authenticated. */
export interface Method {
  /** The headers to add. Rejects when there is no credential to be had: nothing is sent. */
  headersFor(call: CallToAuthenticate): Promise<Record<string, string>>
  /**
   * Looks for another credential, after a call with the headers `used` was refused; true when there is one now. Calls
   * at the same moment share one look. Never rejects.
   */
  refused(projectId: string, used: Record<string, string>): Promise<boolean>
}

/** How all calls are authenticated. What a credential is good for, and who refused it, is known here alone. */
export interface Auth {
  /** The headers to add. Rejects when there is no credential to be had, or none that may be shown: nothing is sent. */
  headersFor(call: CallToAuthenticate): Promise<Record<string, string>>
  /**
   * A call with the headers `used` was refused: what can be mended is, by another credential, or by the right time. True
   * when the next call has something else to show. Never rejects.
   */
  refused(projectId: string, used: Record<string, string>, refusal: CredentialRefusal): Promise<boolean>
  /** A good answer came just now; `date` is its header of that name. */
  answered(date: string | undefined): void
  /** The id of the credential that a project uses; `none` where calls are made without any. */
  credentialOf(projectId: string): string
  /**
   * Whether a refusal of a call with the headers `used` would meet every project of the credential: all show the same, and
   * still what was shown. Otherwise each has a token of its own, or the credential has changed since.
   */
  isShared(projectId: string, used: Record<string, string>): boolean
}
