import { coerceError } from '../runtime/errors.ts'

/** What a database error means for the sender of the statement. */
export type DatabaseErrorClass =
  /** Deadlock, serialization failure or lock timeout: the same transaction may succeed at once. */
  | 'conflict'
  /** Connection, shutdown, overload, disk full: may succeed later; the statement may or may not have taken effect. */
  | 'unavailable'
  /** The statement or its data: it will fail again. */
  | 'rejected'

const CONFLICT = new Set(['40001', '40P01', '55P03'])
/** Classes of SQLSTATE about the data or the statement itself. */
const REJECTED_CLASSES = new Set([
  '21',
  '22',
  '23',
  '25',
  '26',
  '2B',
  '34',
  '38',
  '39',
  '3D',
  '3F',
  '42',
  '44',
  '54',
  'P0',
])
/** Errors inside those classes that pass by themselves: read-only standby, missing database or schema during set-up. */
const PASSING = new Set(['25006', '3D000', '3F000', '42P01', '42703', '42501', '25P02', '25P03', '26000'])

/**
 * Classifies by SQLSTATE. Prisma 7 reports one and the same failure in several shapes: the original
 * code is looked for in each; an error without any is a lost connection or a client-side deadline, so unavailable.
 */
export function classifyDatabaseError(error: unknown): DatabaseErrorClass {
  const state = sqlState(error)
  if (state === undefined) {
    if (coerceError(error).name === 'PrismaClientValidationError') return 'rejected'
    return prismaCode(error) === 'P2034' ? 'conflict' : 'unavailable'
  }
  if (CONFLICT.has(state)) return 'conflict'
  if (PASSING.has(state)) return 'unavailable'
  return REJECTED_CLASSES.has(state.slice(0, 2)) ? 'rejected' : 'unavailable'
}

/** Whether the statement would have stored what is stored already, under a key that there is once. */
export function isTaken(error: unknown): boolean {
  return sqlState(error) === '23505'
}

/** Whether the role of the connection may not do it. */
export function lacksRight(error: unknown): boolean {
  return sqlState(error) === '42501'
}

/** Whether the statement will fail again, and so may go through without some of its rows. */
export function isRejected(error: unknown): boolean {
  return classifyDatabaseError(error) === 'rejected'
}

/** Whether trying again can help; with `only`, whether the error is of that class. */
export function isRetryable(error: unknown, only?: 'conflict'): boolean {
  const found = classifyDatabaseError(error)
  return only === undefined ? found !== 'rejected' : found === only
}

/** Why a statement failed, without the words that Prisma puts around those of the database or its driver. */
export function databaseWords(error: unknown): string {
  const { message } = coerceError(error)
  return /Message: `([^`]*)`/.exec(message)?.[1] ?? message
}

function prismaCode(error: unknown): string | undefined {
  const code = (coerceError(error) as { code?: unknown }).code
  return typeof code === 'string' ? code : undefined
}

/** The five-character SQLSTATE, wherever in the error's causes and metadata it stands. */
export function sqlState(error: unknown, depth = 0): string | undefined {
  if (typeof error !== 'object' || error === null || depth > 6) return undefined
  const fields = error as Record<string, unknown>
  for (const key of ['originalCode', 'code']) {
    const value = fields[key]
    if (typeof value === 'string' && /^[0-9A-Z]{5}$/.test(value) && !/^P[12]\d{3}$/.test(value)) return value
  }
  for (const key of ['meta', 'driverAdapterError', 'cause']) {
    const found = sqlState(fields[key], depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}
