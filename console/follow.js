// @ts-check
import { AskError, ask } from './ask.js'

/**
 * What is known of an address of the API.
 * @typedef {object} Resource
 * @property {unknown} body the last answer; undefined before the first
 * @property {string | null} tag
 * @property {AskError | null} error why the last attempt failed; null where it did not
 * @property {number | null} failingSince milliseconds since 1970, by this machine
 * @property {number} skew by how much the service's clock is ahead of this machine's, in milliseconds
 */

/** How often an address is asked, in milliseconds. @typedef {Readonly<Record<string, number>>} Wanted */

/** Clocks this close to each other agree: the service tells its own in whole seconds. */
const CLOSE_MS = 2000

/** @type {Resource} */
export const NOTHING = { body: undefined, tag: null, error: null, failingSince: null, skew: 0 }

/**
 * Asks a set of addresses again and again, each by the tag of its last answer, as long as the page is looked at. What is no
 * longer wanted is forgotten.
 * @param {(path: string, resource: Resource) => void} onChange
 */
export function createFollower(onChange) {
  /** @type {Map<string, { resource: Resource, stop: AbortController, look: () => void }>} */
  const followed = new Map()

  /** @param {string} path @param {number} everyMs */
  const begin = (path, everyMs) => {
    const stop = new AbortController()
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer
    let looking = false
    let again = false
    const entry = { resource: NOTHING, stop, look: () => void look() }
    const look = async () => {
      // One question at a time; what was asked before a change may not know of it.
      again = looking
      if (looking) return
      clearTimeout(timer)
      looking = true
      const next = await lookAt(path, entry.resource, stop.signal)
      looking = false
      if (stop.signal.aborted) return
      entry.resource = next
      onChange(path, next)
      if (again) entry.look()
      else if (!document.hidden) timer = setTimeout(entry.look, everyMs)
    }
    stop.signal.addEventListener('abort', () => clearTimeout(timer))
    followed.set(path, entry)
    entry.look()
  }

  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) for (const { look } of followed.values()) look()
  })

  return {
    /** @param {Wanted} wanted */
    follow: (wanted) => {
      for (const [path, { stop }] of followed) {
        if (path in wanted) continue
        stop.abort()
        followed.delete(path)
      }
      for (const [path, everyMs] of Object.entries(wanted)) if (!followed.has(path)) begin(path, everyMs)
    },
    /** Asks for everything now: something was changed. */
    lookNow: () => {
      for (const { look } of followed.values()) look()
    },
  }
}

/** @type {(path: string, known: Resource, signal: AbortSignal) => Promise<Resource>} */
async function lookAt(path, known, signal) {
  try {
    const { body, tag, at } = await ask(path, { tag: known.tag, signal })
    const ahead = at - Date.now()
    const skew = Math.abs(ahead) < CLOSE_MS ? 0 : ahead
    return { body: body ?? known.body, tag, error: null, failingSince: null, skew }
  } catch (error) {
    const failed = error instanceof AskError ? error : new AskError(String(error), 0, null)
    return { ...known, error: failed, failingSince: known.failingSince ?? Date.now() }
  }
}
