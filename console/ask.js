// @ts-check

/** @import { Caller, Problem } from './replies.ts' */

/** The service did not do what it was asked for; the message is in words for people. */
export class AskError extends Error {
  /** @param {string} message @param {number} status 0 where there was no answer @param {Problem | null} problem */
  constructor(message, status, problem) {
    super(message)
    this.name = 'AskError'
    this.status = status
    this.problem = problem
  }
}

/**
 * An answer, the tag by which to ask for it again, and the service's clock; a body of undefined: it is still the one that
 * the tag names.
 * @template Body
 * @typedef {{ body: Body | undefined, tag: string | null, at: number }} Answer
 */

/** Without an answer for so long, in milliseconds, there will be none. */
const PATIENCE_MS = 15_000

/**
 * @template [Body=unknown]
 * @param {string} path without the leading slash: relative to where the API is
 * @param {{ method?: string, body?: unknown, tag?: string | null, credential?: string, signal?: AbortSignal }} [how]
 * @returns {Promise<Answer<Body>>}
 * @throws {AskError}
 */
export async function ask(path, { method = 'GET', body, tag = null, credential, signal } = {}) {
  const patience = AbortSignal.timeout(PATIENCE_MS)
  const silent = (/** @type {unknown} */ error) => {
    if (signal?.aborted) throw error
    throw new AskError('The service does not answer.', 0, null)
  }
  const reply = await fetch(new URL(`../${path}`, document.baseURI), {
    method,
    cache: 'no-store',
    credentials: 'same-origin',
    signal: signal ? AbortSignal.any([signal, patience]) : patience,
    headers: {
      ...(tag === null ? {} : { 'if-none-match': tag }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch(silent)
  const at = Date.parse(reply.headers.get('date') ?? '') || Date.now()
  if (reply.status === 304) return { body: undefined, tag, at }
  const text = await reply.text().catch(silent)
  const json = /json/.test(reply.headers.get('content-type') ?? '') ? JSON.parse(text) : undefined
  if (!reply.ok) throw new AskError(inWords(reply.status, json), reply.status, json ?? null)
  return { body: /** @type {Body} */ (json), tag: reply.headers.get('etag'), at }
}

/** Who has signed in; null for nobody. @returns {Promise<Caller | null>} */
export async function askWho() {
  const { body } = await ask('console/session')
  return /** @type {Caller | undefined} */ (body) ?? null
}

/** What went wrong, for people. @param {unknown} error */
export const messageOf = (error) => (error instanceof AskError ? error.message : String(error))

/** @param {number} status @param {Problem | undefined} problem */
function inWords(status, problem) {
  const faults = (problem?.errors ?? []).map(({ path, message }) => `${path}: ${message}`)
  const detail = problem?.detail ?? `The service answers with status ${status}.`
  return faults.length === 0 ? detail : `${detail} (${faults.join('; ')})`
}
