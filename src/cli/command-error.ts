/** How a verb ends: done, refused or failed, called in a wrong way, about something that is not there. */
export const EXIT = { done: 0, failed: 1, wrong_use: 2, not_found: 3 } as const

export type Ending = keyof typeof EXIT

/** Thrown when a verb ends other than done; says what a person can do next, where there is something. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly ending: Exclude<Ending, 'done'>
  /** The case in fixed words, for programs. */
  readonly code: string
  readonly next: string | null
  /** Whether the same may well be answered a little later. */
  readonly passes: boolean

  constructor(
    ending: CommandError['ending'],
    code: string,
    message: string,
    { next = null, passes = false, cause }: { next?: string | null; passes?: boolean; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.ending = ending
    this.code = code
    this.next = next
    this.passes = passes
  }
}

/** Whether the same may well be answered a little later. */
export const passes = (error: unknown): error is CommandError => error instanceof CommandError && error.passes

export const wrongUse = (message: string, next: string | null = null) =>
  new CommandError('wrong_use', 'wrong_use', message, { next })
