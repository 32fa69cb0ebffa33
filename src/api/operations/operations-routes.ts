import type { FastifyInstance } from 'fastify'
import type { OperationsReads } from '../../operations/reads.ts'
import { createGuardedReads } from '../guarded-reads.ts'
import type { Reads } from '../reads.ts'
import { registerAuditRoute } from './audit-routes.ts'
import { registerDeadLetterRoutes } from './dead-letter-routes.ts'
import { type LimitRoutesOptions, registerLimitRoutes } from './limit-routes.ts'
import { type OverviewRouteOptions, registerOverviewRoute } from './overview-route.ts'
import { type PauseRoutesOptions, registerPauseRoutes } from './pause-routes.ts'
import { registerProjectsRoute } from './projects-route.ts'
import { type ReplayRoutesOptions, registerReplayRoutes } from './replay-routes.ts'
import { type ResolveRouteOptions, registerResolveRoute } from './resolve-route.ts'
import { registerTroubleRoutes } from './trouble-routes.ts'

/** What the routes for operators do, but for HTTP. */
export interface OperationsApi extends LimitRoutesOptions, PauseRoutesOptions {
  reads: OperationsReads
  overview: OverviewRouteOptions['read']
  resolve: ResolveRouteOptions['resolve']
  /** Letters that wait in the queue of dead letters; null when the broker does not say. */
  inQueue: () => Promise<number | null>
  tryTarget: ReplayRoutesOptions['tryTarget']
  run: ReplayRoutesOptions['run']
  stopRun: ReplayRoutesOptions['stopRun']
}

/** Reads of this replica at once, and those that wait: few people ask, and some of the answers are long. */
const SLOTS = { slots: 2, maxWaiting: 50 }

/** All that look at the overview wait for the same reading. */
const VIEWERS = { slots: 1000, maxWaiting: 0 }

/** The routes for operators, whose bodies are JSON. */
export function registerOperationsRoutes(
  instance: FastifyInstance,
  {
    reads,
    overview,
    resolve,
    inQueue,
    tryTarget,
    run,
    stopRun,
    setLimit,
    removeLimit,
    pause,
    resume,
    status,
  }: OperationsApi & { status: Pick<Reads, 'status' | 'summary'> },
): void {
  const guarded = createGuardedReads(SLOTS)
  const guardedOverview = createGuardedReads(VIEWERS)
  const guardedReads: OperationsReads = {
    audit: (page) => guarded(() => reads.audit(page)),
    failures: (since, bounds) => guarded(() => reads.failures(since, bounds)),
    uncertain: (page) => guarded(() => reads.uncertain(page)),
    projects: (page) => guarded(() => reads.projects(page)),
    deadLetters: (filter) => guarded(() => reads.deadLetters(filter)),
    run: (id) => guarded(() => reads.run(id)),
  }
  instance.register(async (routes) => {
    routes.addContentTypeParser(
      'application/json',
      { parseAs: 'string' },
      routes.getDefaultJsonParser('error', 'error'),
    )
    registerOverviewRoute(routes, { read: () => guardedOverview(overview) })
    registerAuditRoute(routes, { reads: guardedReads })
    registerTroubleRoutes(routes, { reads: guardedReads })
    registerProjectsRoute(routes, { reads: guardedReads, summary: (projectId) => status.summary(projectId) })
    registerDeadLetterRoutes(routes, { reads: guardedReads, inQueue })
    registerReplayRoutes(routes, { reads: guardedReads, run, tryTarget, stopRun })
    registerLimitRoutes(routes, { setLimit, removeLimit })
    registerPauseRoutes(routes, { pause, resume })
    registerResolveRoute(routes, { resolve, reads: status })
  })
}
