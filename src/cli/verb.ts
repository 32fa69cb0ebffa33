import type { AccessRole } from '../access/who-may.ts'
import type { Environment } from '../environment.ts'
import type { Api } from './api.ts'
import { type Ending, wrongUse } from './command-error.ts'
import { byDefault, duration, flag, InvalidValue, type Options, type Values, value } from './option.ts'
import type { Terminal } from './terminal.ts'

/** What a verb works with. */
export interface Context {
  api: Api
  terminal: Terminal
  /** Print JSON, for programs. */
  json: boolean
  environment: Environment
  stdin: NodeJS.ReadStream
  /** The address of the broker; throws a CommandError where the environment has none. */
  amqpUrl(): string
}

/** What was given on the command line, as text, by the names of options and places. */
export type Given = Readonly<Record<string, string | undefined>>

/** One verb, as parsing, help and README take it from the table (verbs.ts). */
export interface Verb {
  /** One word or two: `dead-letters list`. */
  readonly name: string
  readonly says: string
  /** The role that a caller needs; null where the service is not asked. */
  readonly role: AccessRole | null
  /** Arguments by their places, in order. Each may also be given by its name. */
  readonly places: Options
  readonly options: Options
  /** Command lines without the way to the command; the first one stands in the README. */
  readonly examples: readonly string[]
  /** What there is to know beyond the options, for the help. */
  readonly notes: string | null
  /** Reads what was given, and returns what carries it out. Throws a CommandError where something is wrong in itself. */
  prepare(given: Given): (context: Context) => Promise<Ending>
}

/** The verb with types for what it reads. `check` tells what is wrong with several options together, or null. */
export function defineVerb<Places extends Options, Own extends Options>({
  notes = null,
  check = () => null,
  carryOut,
  ...rest
}: Omit<Verb, 'prepare' | 'places' | 'options' | 'notes'> & {
  places: Places
  options: Own
  notes?: string | null
  check?: (input: Values<Places> & Values<Own>) => string | null
  /** Done, unless it returns another ending or throws. */
  carryOut: (input: Values<Places> & Values<Own>, context: Context) => Promise<Ending | undefined>
}): Verb {
  const { places, options } = rest
  const prepare: Verb['prepare'] = (given) => {
    const input = { ...readAll(places, given, (name) => `<${name}>`), ...readAll(options, given, shownName) }
    const fault = check(input)
    if (fault !== null) throw wrongUse(fault)
    return async (context) => (await carryOut(input, context)) ?? 'done'
  }
  return { ...rest, notes, prepare }
}

function readAll<Some extends Options>(
  options: Some,
  given: Given,
  shown: (name: string) => string,
): Values<Some> {
  const entries = Object.entries(options).map(([name, option]) => {
    const text = given[name]
    if (option.isRequired && text === undefined) throw wrongUse(`${shown(name)} is missing`)
    try {
      return [name, option.read(text)]
    } catch (error) {
      if (error instanceof InvalidValue) throw wrongUse(`${shown(name)} ${error.message}`)
      throw error
    }
  })
  return Object.fromEntries(entries) as Values<Some>
}

/** `perSecond` as it is written on the command line. */
export function shownName(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** Of verbs that show something which changes. */
export const WATCH = {
  watch: flag('show it again and again, until Ctrl-C'),
  every: byDefault(value('duration', 'how often; by default 2s', duration), 2000),
}

/** Of verbs that change something. */
export const DRY_RUN = { dryRun: flag('say what would be done, and do nothing') }
