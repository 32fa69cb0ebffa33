import { z } from 'zod'
import type { RUN_KINDS } from '../contracts/operations.ts'

export type RunKind = (typeof RUN_KINDS)[number]

/** Letters of one code, back to the request queue. */
export interface LetterReplay {
  code: string
  /** Most letters. */
  max: number
  perSecond: number
}

/** Past events, to the queues bound with a key. */
export interface EventReplay {
  target: string
  from: Date
  to: Date
  projectId?: string | undefined
  requestId?: string | undefined
  /** All where it is absent. */
  kinds?: readonly string[] | undefined
  perSecond: number
}

export interface RunParams {
  dead_letters: LetterReplay
  events: EventReplay
}

/** How far a run has come. */
export interface RunProgress {
  /** What there is to look at, where that is known. */
  total: number | null
  /** Sent and confirmed. */
  done: number
  /** Looked at and left. */
  passedOver: number
  /** Where to go on. */
  cursor: string | null
}

/**
 * Carries out a run from where it stands, and keeps `progress` up to date. Resolves when the run is over, or soon after
 * the signal has aborted. Throws a RunFailedError when trying again cannot help; after any other error it is tried again.
 */
export type Carry<Kind extends RunKind> = (
  run: { params: RunParams[Kind]; startedAt: Date },
  progress: RunProgress,
  signal: AbortSignal,
) => Promise<void>

export type Carriers = { readonly [Kind in RunKind]: Carry<Kind> }

/** Thrown when a run cannot be carried out, now or later. */
export class RunFailedError extends Error {
  override readonly name = 'RunFailedError'
}

const perSecond = z.number()
const storedParams = {
  dead_letters: z.object({ code: z.string(), max: z.number(), perSecond }),
  events: z.object({
    target: z.string(),
    from: z.coerce.date(),
    to: z.coerce.date(),
    projectId: z.string().optional(),
    requestId: z.string().optional(),
    kinds: z.array(z.string()).optional(),
    perSecond,
  }),
} satisfies { [Kind in RunKind]: z.ZodType<RunParams[Kind]> }

/** What a run was asked for, as it is stored (JSON). */
export function readParams<Kind extends RunKind>(kind: Kind, stored: unknown): RunParams[Kind] {
  return storedParams[kind].parse(stored) as RunParams[Kind]
}

/** The same with the names that the API has for them. Pure. */
export function namedParams(params: object): Record<string, unknown> {
  const named = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [named(name), value]))
}
