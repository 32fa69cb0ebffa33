import type { OperationsApi } from '../../src/api/operations/operations-routes.ts'
import { OVERVIEW_EXAMPLE } from '../../src/api/operations/overview-example.ts'
import { NIL_UUID } from '../../src/runtime/uuid.ts'

/** Operations of an installation where nothing has happened. */
export const NO_OPERATIONS: OperationsApi = {
  reads: {
    audit: async () => ({ entries: [], next_marker: null }),
    failures: async (since) => ({ since, failures: [], truncated: false }),
    uncertain: async () => ({ total: 0, attempts: [], lastId: null }),
    projects: async () => ({ projects: [], last: null }),
    deadLetters: async () => ({ letters: [] }),
    run: async () => null,
  },
  overview: async () => ({ overview: OVERVIEW_EXAMPLE, tag: 'W/"1"' }),
  resolve: async () => null,
  inQueue: async () => 0,
  tryTarget: async () => 'taken',
  run: async () => NIL_UUID,
  stopRun: async () => undefined,
  setLimit: async (projectId, { perSecond, burst, until }, by) => ({
    projectId,
    configured: { perSecond: 5, burst: 10 },
    override: { perSecond, burst, until, since: new Date(), ...by },
  }),
  removeLimit: async (projectId) => ({
    projectId,
    configured: { perSecond: 5, burst: 10 },
    override: null,
  }),
  pause: async (_, until, by) => ({ since: new Date(), until, ...by }),
  resume: async () => null,
}
