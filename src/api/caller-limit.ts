import rateLimit, { normalizeIP } from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { NOBODY } from '../access/caller.ts'
import { ProblemError } from './problem.ts'

/** What a caller may ask within this time may also come at once, in milliseconds. */
const WINDOW_MS = 10_000
/** Callers whose requests are counted; the one that has been silent longest is forgotten first. */
const MAX_COUNTED = 10_000
/** Part of an IPv6 address that one client commonly has to itself, in bits. */
const IPV6_BITS = 64

export type CallerLimit = (request: FastifyRequest) => Promise<void>

/**
 * Counts the requests of each caller, and of each address without a valid credential. What it returns throws a 429
 * beyond `perSecond`, and may be called once the app is ready.
 */
export function registerCallerLimit(app: FastifyInstance, { perSecond }: { perSecond: number }): CallerLimit {
  app.register(rateLimit, { global: false, cache: MAX_COUNTED })
  let count: ReturnType<typeof app.createRateLimit> | undefined

  return async (request) => {
    count ??= app.createRateLimit({
      max: Math.max(1, Math.ceil((perSecond * WINDOW_MS) / 1000)),
      timeWindow: WINDOW_MS,
      keyGenerator: ({ caller, ip }) =>
        caller === NOBODY ? `address:${normalizeIP(ip, IPV6_BITS)}` : caller.id,
    })
    const counted = await count(request)
    if (counted.isAllowed || !counted.isExceeded) return
    throw new ProblemError({
      status: 429,
      code: 'too_many_requests',
      detail: `more than ${perSecond} requests per second`,
      headers: { 'retry-after': String(Math.max(1, counted.ttlInSeconds)) },
    })
  }
}
