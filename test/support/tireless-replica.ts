import { v7 as uuidv7 } from 'uuid'
import type { Replica } from '../../src/replica/replica.ts'

/** A replica that always has the duty: two of them are two of a kind at once. */
export function tirelessReplica(id: string = uuidv7()): Replica {
  return {
    name: 'replica',
    start: async () => undefined,
    stop: async () => undefined,
    id: () => id,
    holdsLease: () => true,
    holdDuty: async () => true,
  }
}
