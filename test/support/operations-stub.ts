import type { OperationsApi } from '../../src/api/operations/operations-routes.ts'
import { NIL_UUID } from '../../src/runtime/uuid.ts'

/** Operations of an installation where nothing has happened. */
export const NO_OPERATIONS: OperationsApi = {
  reads: {
    audit: async () => ({ entries: [], next_marker: null }),
    failures: async (since) => ({ since, failures: [], truncated: false }),
    uncertain: async () => ({ total: 0, attempts: [], lastId: null }),
    deadLetters: async () => ({ letters: [] }),
    run: async () => null,
  },
  resolve: async () => null,
  inQueue: async () => 0,
  tryTarget: async () => 'taken',
  run: async () => NIL_UUID,
}
