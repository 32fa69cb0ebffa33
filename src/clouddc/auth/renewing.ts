import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { coerceError } from '../../runtime/errors.ts'
import type { Lease } from '../iam/lease.ts'
import type { Source } from './source.ts'

export interface RenewingOptions<Value> {
  fetch: () => Promise<Lease<Value>>
  /** What it is, as the log calls it. */
  what: string
  /** Runs the fetches that somebody waits for; so a start with many of them stays gentle. */
  waitInLine?: <Result>(work: () => Promise<Result>) => Promise<Result>
  /** How long nothing is fetched after so many failures in a row, in milliseconds. */
  pauseMs: (error: Error, failures: number) => number
  /** Told of what was fetched, with how long it lives. */
  onFetched?: ((lifeMs: number) => void) | undefined
  logger: Logger
  /** Milliseconds on a clock that never goes back. */
  now?: () => number
  /** 0..1 */
  random?: () => number
}

/** When a value is renewed, by part of its life; the jitter is a tenth of the rest. */
const RENEW_AFTER = 2 / 3
const JITTER = (1 - RENEW_AFTER) / 10
/** What is on its way must arrive before the end. */
const MARGIN_MS = 10_000
const MARGIN = 1 / 20
/** A value younger than this that is refused would be refused again if it were fetched anew. */
const FRESH_MS = 30_000

/**
 * A value with an end: fetched when first asked for, by one fetch at a time, and renewed in the background after two
 * thirds of its life while it is asked for. One that is still good is never waited for, nor given up for a fetch that
 * fails.
 */
export function createRenewing<Value>(options: RenewingOptions<Value>): Source<Value> {
  const { fetch, what, pauseMs, logger, random = Math.random, now = () => performance.now() } = options
  const waitInLine = options.waitInLine ?? ((work) => work())
  let held: { value: Value; fetchedAt: number; renewAt: number; endsAt: number; overAt: number } | undefined
  let fetching: Promise<Value> | undefined
  let trouble: { error: Error; failures: number; until: number } | undefined

  const take = ({ value, lifeMs }: Lease<Value>, askedAt: number) => {
    if (!(lifeMs > 0)) throw new Error('what was fetched has ended already')
    // Its life began after the question: so it never ends earlier than counted here.
    held = {
      value,
      fetchedAt: now(),
      renewAt: askedAt + lifeMs * (RENEW_AFTER + JITTER * random()),
      endsAt: askedAt + lifeMs - Math.min(MARGIN_MS, lifeMs * MARGIN),
      overAt: askedAt + lifeMs,
    }
    if (trouble !== undefined) logger.info(`${what} can be fetched again`)
    trouble = undefined
    options.onFetched?.(lifeMs)
    return value
  }

  const fetchOnce = async (): Promise<Value> => {
    const askedAt = now()
    try {
      return take(await fetch(), askedAt)
    } catch (thrown) {
      const error = coerceError(thrown)
      if (trouble === undefined)
        logger.warn({ reason: error.message, haveOne: isGood() }, `${what} cannot be fetched`)
      const failures = (trouble?.failures ?? 0) + 1
      trouble = { error, failures, until: now() + pauseMs(error, failures) }
      throw error
    }
  }

  const isGood = () => held !== undefined && now() < held.endsAt
  const mayFetch = () => trouble === undefined || now() >= trouble.until
  const begin = (): Promise<Value> => {
    fetching ??= (isGood() ? fetchOnce() : waitInLine(fetchOnce)).finally(() => {
      fetching = undefined
    })
    return fetching
  }

  const current = async (): Promise<Value> => {
    if (held !== undefined && isGood()) {
      if (now() >= held.renewAt && mayFetch()) begin().catch(() => undefined)
      return held.value
    }
    if (fetching === undefined && trouble !== undefined && !mayFetch()) throw trouble.error
    return begin()
  }

  return {
    current,
    endsInMs: () => (held === undefined ? null : held.overAt - now()),
    renew: async (refused) => {
      if (held === undefined) return current()
      const isAnother = refused !== undefined && !isDeepStrictEqual(held.value, refused)
      if (isAnother || now() - held.fetchedAt < FRESH_MS || !mayFetch()) return held.value
      return begin()
    },
  }
}
