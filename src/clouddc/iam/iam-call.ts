import { Agent, type Dispatcher } from 'undici'
import { cleanText, spellingsOf } from '../clean-text.ts'
import { parseErrorBody } from '../error-body.ts'
import { type Exchange, exchange } from '../exchange.ts'

/** No credential could be had: IAM is not reached, is in trouble, refuses, or cannot be understood. */
export class IamError extends Error {
  override readonly name = 'IamError'
  /** Null when no answer came. */
  readonly status: number | null
  /** What the answer says, without the secrets of the call; empty where there is none. */
  readonly words: string
  /** Why no answer came: a code of the system, of TLS or of undici; null where one came. */
  readonly code: string | null

  constructor(message: string, status: number | null = null, words = '', code: string | null = null) {
    super(message)
    this.status = status
    this.words = words
    this.code = code
  }
}

/** Whether IAM says that the credential itself is wrong; asking on with wrong passwords locks users. */
export function isRefused(error: unknown): boolean {
  return error instanceof IamError && error.status === 401
}

export interface IamRequest {
  /** Base URL. */
  endpoint: string
  method: 'GET' | 'POST' | 'PUT'
  /** Percent-encoded, with its query. */
  path: string
  headers: Record<string, string>
  body?: string
  /** What of it must not be told, in whatever spelling an answer may quote it. */
  secrets: readonly string[]
  timeoutMs?: number
}

export type IamAnswer = Extract<Exchange, { kind: 'response' }> & { complete: true }

export interface IamTransport {
  /** The whole answer, of whatever status. Follows no redirect, never asks twice. Throws IamError. */
  ask(request: IamRequest): Promise<IamAnswer>
  close(): Promise<void>
}

const TIMEOUT_MS = 10_000
const CONNECT_TIMEOUT_MS = 5000
const ANSWER_BYTES = 256 * 1024
const WORDS_LENGTH = 200

/**
 * The way to IAM and to the metadata service: a connection for each call, since these are rare.
 *
 * @param options.ca PEM: the authorities that are trusted instead of the usual ones
 */
export function createIamTransport({ ca }: { ca?: string | undefined } = {}): IamTransport {
  const dispatcher: Dispatcher = new Agent({
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
    pipelining: 0,
    connect: { timeout: CONNECT_TIMEOUT_MS, ...(ca === undefined ? {} : { ca }) },
  })
  return {
    ask: async ({ endpoint, method, path, headers, body, secrets, timeoutMs = TIMEOUT_MS }) => {
      const { origin, pathname } = new URL(endpoint)
      const result = await exchange({
        dispatcher,
        origin,
        method,
        path: `${pathname.replace(/\/+$/, '')}${path}`,
        headers: { Accept: 'application/json', ...headers },
        authorize: async () => ({}),
        ...(body === undefined ? {} : { body: Buffer.from(body) }),
        timeoutMs,
        maxBodyBytes: ANSWER_BYTES,
      })
      if (result.kind === 'no_response')
        throw new IamError(
          `no answer: ${cleanText(result.message, spellingsOf(secrets), WORDS_LENGTH)}`,
          null,
          '',
          result.code,
        )
      if (!result.complete) throw new IamError('the answer was cut short', result.status)
      return { ...result, complete: true }
    },
    close: () => dispatcher.close(),
  }
}

/** The error for an answer that is not what was asked for. */
export function refusalOf({ status, body }: IamAnswer, secrets: readonly string[]): IamError {
  const { code, message } = parseErrorBody(body.toString('utf8'))
  const said = [code, message].filter((part) => part !== null && part !== String(status)).join(' ')
  const words = cleanText(said, spellingsOf(secrets), WORDS_LENGTH)
  return new IamError(`HTTP ${status}${words === '' ? '' : `: ${words}`}`, status, words)
}

/** The header of an answer that has it once. */
export function headerOf({ headers }: IamAnswer, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : undefined
}
