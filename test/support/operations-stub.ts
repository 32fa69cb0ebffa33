import type { OperationsApi } from '../../src/api/operations/operations-routes.ts'

/** Operations of an installation where nothing has happened. */
export const NO_OPERATIONS: OperationsApi = {
  reads: {
    audit: async () => ({ entries: [], next_marker: null }),
    failures: async (since) => ({ since, failures: [], truncated: false }),
    uncertain: async () => ({ total: 0, attempts: [], lastId: null }),
    deadLetters: async () => ({ letters: [] }),
  },
  resolve: async () => null,
  inQueue: async () => 0,
}
