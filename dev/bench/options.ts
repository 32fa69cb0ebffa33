import { parseArgs } from 'node:util'
import { SCENARIO_NAMES, type ScenarioName } from './scenario-names.ts'

export interface BenchOptions {
  scenarios: readonly ScenarioName[]
  quick: boolean
  json: boolean
  /** The document whose figures are replaced, or null. */
  write: string | null
  /** Folder for processor profiles of the service, or null. */
  profile: string | null
  /** A commit whose service `end_to_end` measures too, or null. */
  baseline: string | null
  /** Whether `end_to_end` also measures signed calls, in turn with those that carry a token. */
  auth: 'token' | 'aksk'
  /** Rounds of each scenario that compares with a raw pipeline; null: the scenario's own number. */
  rounds: number | null
}

export const USAGE = `npm run bench -- [options]

Measures the service against the raw limit of the same parts: PostgreSQL, RabbitMQ and HTTP with the bookkeeping
stripped. Starts its own servers and a stub of CloudDC; service and raw pipelines take turns.

  --scenario NAME   one of ${SCENARIO_NAMES.slice(0, 5).join(', ')},
                    ${SCENARIO_NAMES.slice(5).join(', ')}; may be repeated (all)
  --quick           small sizes: does it work, not how fast is it
  --rounds N        rounds of service and raw pipeline in turn
  --baseline REF    end_to_end also measures the service of this commit, in turn: it is checked out and installed
  --auth KIND       aksk: end_to_end also measures the service with signed calls, in turn with a token (token)
  --json            one JSON object as the last line
  --write FILE      replaces the figures in FILE, as in docs/performance.md, by those of this run
  --profile FOLDER  writes processor profiles of the service into FOLDER; slows it down
  --help            this text`

export class UsageError extends Error {}

/** Reads the command line; null for --help. @throws {UsageError} naming what is wrong */
export function readOptions(args: readonly string[]): BenchOptions | null {
  const { values } = parse(args)
  if (values.help) return null
  const named = values.scenario ?? []
  const unknown = named.filter((name) => !isScenarioName(name))
  if (unknown.length > 0) throw new UsageError(`no such scenario: ${unknown.join(', ')}`)
  const rounds = values.rounds === undefined ? null : Number(values.rounds)
  if (rounds !== null && !(Number.isInteger(rounds) && rounds >= 1 && rounds <= 50)) {
    throw new UsageError(`--rounds must be a whole number from 1 to 50, not "${values.rounds}"`)
  }
  const { auth } = values
  if (auth !== 'token' && auth !== 'aksk') throw new UsageError(`--auth must be token or aksk, not "${auth}"`)
  return {
    scenarios: named.length === 0 ? SCENARIO_NAMES : named.filter(isScenarioName),
    quick: values.quick,
    json: values.json,
    write: values.write ?? null,
    profile: values.profile ?? null,
    baseline: values.baseline ?? null,
    auth,
    rounds,
  }
}

function isScenarioName(name: string): name is ScenarioName {
  return (SCENARIO_NAMES as readonly string[]).includes(name)
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        scenario: { type: 'string', multiple: true },
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        rounds: { type: 'string' },
        write: { type: 'string' },
        profile: { type: 'string' },
        baseline: { type: 'string' },
        auth: { type: 'string', default: 'token' },
        help: { type: 'boolean', default: false, short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}
