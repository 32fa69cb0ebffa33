import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { coerceError } from '../runtime/errors.ts'
import type { Slots } from '../runtime/slots.ts'
import { FAULT_CODES } from './evidence.ts'

export interface ExchangeOptions {
  dispatcher: Dispatcher
  /**
   * Where calls wait for one of the dispatcher's connections, if those are limited; their time counts. A call whose
   * time ends there never reaches the dispatcher, which would open a connection for it only to close it again.
   */
  slots?: Slots
  origin: string
  method: 'GET' | 'POST' | 'PUT'
  path: string
  headers: Record<string, string>
  /** Resolves to the headers that carry the credential. Its time counts. */
  authorize: () => Promise<Record<string, string>>
  body?: Uint8Array
  /** Bound on the whole of it: credential, connection, headers and body. */
  timeoutMs: number
  maxBodyBytes: number
  /** Runs in the instant before the first byte could be written; when it throws, none is. */
  beforeWrite?: (() => void) | undefined
}

export type Exchange =
  | {
      kind: 'response'
      status: number
      headers: IncomingHttpHeaders
      body: Buffer
      /** False when the body was cut short: by the peer, by the deadline or by `maxBodyBytes`. */
      complete: boolean
    }
  | { kind: 'no_response'; requestStarted: boolean; code: string; message: string }

type Fault = { code: string; message: string }

/**
 * One request and what came of it; never rejects, never sends twice.
 *
 * `requestStarted` is undici's onRequestStart: it runs on a connection that stands, immediately before the first
 * write. An answer before it ran is proof that nothing was sent, and from then on the call refuses to start,
 * so that the proof stays true while undici still waits for a connection.
 */
export function exchange(options: ExchangeOptions): Promise<Exchange> {
  const { dispatcher, slots, origin, method, path, authorize, timeoutMs, maxBodyBytes, beforeWrite } = options
  return new Promise((resolve) => {
    let controller: Dispatcher.DispatchController | undefined
    let settled = false
    let status = 0
    let headers: IncomingHttpHeaders = {}
    const chunks: Buffer[] = []
    let size = 0
    const released = Promise.withResolvers<void>()

    const settle = (result: Exchange) => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      resolve(result)
    }
    const answered = (complete: boolean) =>
      settle({ kind: 'response', status, headers, body: Buffer.concat(chunks), complete })
    const failed = (fault: Fault) => {
      if (status > 0) answered(false)
      else settle({ kind: 'no_response', requestStarted: controller !== undefined, ...fault })
    }
    const expire = () => {
      if (settled) return
      failed({ code: FAULT_CODES.timeout, message: `no answer within ${timeoutMs} ms` })
      controller?.abort(new Error('deadline'))
    }
    // One turn of the event loop later, so that an answer that already lies in the socket is read and counts.
    const timer = setTimeout(() => setImmediate(expire), timeoutMs)

    const handler: Dispatcher.DispatchHandler = {
      onRequestStart: (started) => {
        // A second start would be undici sending the request again.
        if (settled || controller !== undefined) return started.abort(new Error('must not be sent'))
        try {
          beforeWrite?.()
        } catch (error) {
          settle({
            kind: 'no_response',
            requestStarted: false,
            code: FAULT_CODES.notSent,
            message: coerceError(error).message,
          })
          // Aborting also closes the connection, so that it is not left idle for another call.
          return started.abort(new Error('must not be sent'))
        }
        controller = started
      },
      onResponseStart: (_, statusCode, responseHeaders) => {
        if (statusCode < 200) return
        status = statusCode
        headers = responseHeaders
      },
      onResponseData: (response, chunk) => {
        if (settled) return
        size += chunk.length
        if (size <= maxBodyBytes) {
          chunks.push(chunk)
          return
        }
        answered(false)
        response.abort(new Error('answer too large'))
      },
      onResponseEnd: () => {
        answered(true)
        released.resolve()
      },
      onResponseError: (_, error) => {
        failed(faultOf(error))
        released.resolve()
      },
    }

    const begin = async () => {
      let credential: Record<string, string>
      try {
        credential = await authorize()
      } catch (error) {
        return failed({ code: FAULT_CODES.noCredential, message: coerceError(error).message })
      }
      const send = async () => {
        if (settled) return
        dispatcher.dispatch(
          {
            origin,
            method,
            path,
            headers: { ...options.headers, ...credential },
            body: options.body ?? null,
          },
          handler,
        )
        await released.promise
      }
      await (slots === undefined ? send() : slots.run(send))
    }
    begin().catch((error: unknown) => failed(faultOf(error)))
  })
}

function faultOf(thrown: unknown): Fault {
  const error = coerceError(thrown)
  // Some of undici's errors have no code; their name tells them apart.
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  if (code === 'UND_ERR_CLOSED' || code === 'UND_ERR_DESTROYED') {
    return { code: FAULT_CODES.notSent, message: 'the client is closed' }
  }
  return { code, message: error.message === '' ? code : error.message }
}
