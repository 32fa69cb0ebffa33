import { coerceError } from '../runtime/errors.ts'
import { scrubText } from '../telemetry/redact.ts'

/** What was found where the doctor has looked. */
export interface Finding {
  /** What was looked at. */
  name: string
  /** `fault`: an order would not work. `warning`: it would, and somebody should know. */
  state: 'ok' | 'warning' | 'fault' | 'skipped'
  /** For people; without any secret. */
  says: string
  /** What to do about it. */
  next: string | null
}

/** What is found of one thing, of which the name is known. */
export type Found = Omit<Finding, 'name'>

export const ok = (says: string): Found => ({ state: 'ok', says, next: null })
export const warning = (says: string, next: string): Found => ({ state: 'warning', says, next })
export const fault = (says: string, next: string): Found => ({ state: 'fault', says, next })
export const skipped = (says: string): Found => ({ state: 'skipped', says, next: null })

export const isSound = ({ state }: Pick<Finding, 'state'>) => state === 'ok' || state === 'warning'

/** Looks at one thing. What goes wrong in a way that nobody foresaw is a fault as well. */
export async function look(name: string, work: () => Promise<Found> | Found): Promise<Finding> {
  const found = await (async () => work())().catch((error: unknown) =>
    fault(coerceError(error).message, 'this was not foreseen: please report it'),
  )
  return { name, ...found, says: scrubText(found.says) }
}
