import { classifyDatabaseError, isRetryable, lacksRight } from '../database/errors.ts'
import { RefusedChangeError } from '../operations/refused-change.ts'
import { createSlots, NoSlotError } from '../runtime/slots.ts'

/** Thrown when something fails for a reason that may pass: the database is unreachable or overloaded. */
export class DatabaseUnavailableError extends Error {
  override readonly name = 'DatabaseUnavailableError'
}

/** Thrown when this replica's database role may not do what is asked: one for the API alone only reads and cancels. */
export class DatabaseRightsError extends Error {
  override readonly name = 'DatabaseRightsError'
}

/** Runs reads in these slots, and tells an unreachable database from an error in the code. */
export function createGuardedReads({ slots, maxWaiting }: { slots: number; maxWaiting: number }) {
  const readSlots = createSlots({ slots, maxWaiting })
  return async <Result>(read: () => Promise<Result>): Promise<Result> => {
    try {
      return await readSlots.run(read)
    } catch (error) {
      if (error instanceof NoSlotError || isFault(error)) throw error
      if (classifyDatabaseError(error) === 'rejected') throw error
      throw new DatabaseUnavailableError('the database does not answer', { cause: error })
    }
  }
}

/** A change that a person asks for: what may pass is told as such, and a refusal is passed on. */
export async function guardedChange<Result>(what: string, change: () => Promise<Result>): Promise<Result> {
  try {
    return await change()
  } catch (error) {
    if (error instanceof RefusedChangeError || !isRetryable(error)) throw error
    if (lacksRight(error))
      throw new DatabaseRightsError(`${what}: the database role of this replica lacks the right`, {
        cause: error,
      })
    throw new DatabaseUnavailableError(what, { cause: error })
  }
}

/** An error of the code itself rather than of the database. */
function isFault(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError
}
