import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { CHAOS_ACCESS, type ChaosAccessKind } from './credentials.ts'
import { FAULT_KINDS, type FaultKind } from './plan.ts'

export interface ChaosOptions {
  requests: number
  replicas: number
  kills: number
  /** Calls per second of each project, for the service, and for the simulator that judges it. */
  rate: number
  /** Calls at once of each project. */
  burst: number
  /** How the service proves to CloudDC who it is. */
  auth: ChaosAccessKind
  seed: number
  /** Length of the phase with faults; null: as long as kills and requests need. */
  minutes: number | null
  faults: readonly FaultKind[]
  json: boolean
  /** Where evidence and logs of a failed run are kept. */
  save: string | null
}

export const USAGE = `npm run chaos -- [options]

Runs the service while everything around it fails, lets it settle, and checks from outside that nothing was lost,
doubled, forgotten, overspent or leaked. A seed repeats the plan of the faults, not the instant of each instruction.

  --requests N    valid requests; duplicates, conflicts and invalid ones come on top (1000)
  --replicas K    processes of the service (3)
  --kills N       processes killed with SIGKILL at planned moments; fault plans kill more (12)
  --rate R        calls per second of each project, which service and simulator are given alike (40)
  --burst B       calls at once of each project (20)
  --auth KIND     how the service proves to CloudDC who it is: ${CHAOS_ACCESS.join(', ')} (all)
  --seed S        what requests and faults are drawn from (random, printed)
  --minutes M     how long faults go on (as long as kills and requests need)
  --faults LIST   any of ${FAULT_KINDS.join(', ')}; or all (all)
  --save DIR      keep evidence and logs there when something is found
  --json          one JSON object as the last line
  --help          this text`

export class UsageError extends Error {}

/** Reads the command line; null for --help. @throws {UsageError} naming everything that is wrong */
export function readOptions(args: readonly string[]): ChaosOptions | null {
  const values = parse(args)
  if (values.help) return null
  const wrong: string[] = []
  const number = (name: string, text: string, min: number, max: number, whole = true) => {
    const value = Number(text)
    if (text.trim() !== '' && value >= min && value <= max && (!whole || Number.isInteger(value)))
      return value
    wrong.push(`--${name} must be a ${whole ? 'whole ' : ''}number from ${min} to ${max}, not "${text}"`)
    return min
  }
  const names =
    values.faults === 'all' ? [...FAULT_KINDS] : values.faults.split(',').map((name) => name.trim())
  const faults = names.filter((name): name is FaultKind => FAULT_KINDS.some((kind) => kind === name))
  if (faults.length < names.length) wrong.push(`--faults must be all, or any of ${FAULT_KINDS.join(', ')}`)
  const auth = CHAOS_ACCESS.find((kind) => kind === values.auth)
  if (auth === undefined) wrong.push(`--auth must be one of ${CHAOS_ACCESS.join(', ')}`)
  const options: ChaosOptions = {
    requests: number('requests', values.requests, 1, 1_000_000),
    replicas: number('replicas', values.replicas, 1, 20),
    kills: number('kills', values.kills, 0, 10_000),
    rate: number('rate', values.rate, 0.1, 10_000, false),
    burst: number('burst', values.burst, 1, 10_000),
    auth: auth ?? 'all',
    seed: values.seed === undefined ? randomInt(2 ** 31) : number('seed', values.seed, 0, 2 ** 31),
    minutes: values.minutes === undefined ? null : number('minutes', values.minutes, 0.1, 1440, false),
    faults,
    json: values.json,
    save: values.save ?? null,
  }
  if (wrong.length > 0) throw new UsageError(wrong.join('\n'))
  return options
}

/** The command line that repeats a run. */
export function commandOf(options: ChaosOptions): string {
  const { requests, replicas, kills, rate, burst, auth, seed, minutes, faults } = options
  const list = faults.length === FAULT_KINDS.length ? 'all' : faults.join(',')
  return [
    `npm run chaos -- --seed ${seed} --requests ${requests} --replicas ${replicas} --kills ${kills}`,
    `--rate ${rate} --burst ${burst} --auth ${auth}`,
    ...(minutes === null ? [] : [`--minutes ${minutes}`]),
    `--faults ${list}`,
  ].join(' ')
}

function parse(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        requests: { type: 'string', default: '1000' },
        replicas: { type: 'string', default: '3' },
        kills: { type: 'string', default: '12' },
        rate: { type: 'string', default: '40' },
        burst: { type: 'string', default: '20' },
        auth: { type: 'string', default: 'all' },
        seed: { type: 'string' },
        minutes: { type: 'string' },
        faults: { type: 'string', default: 'all' },
        save: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false, short: 'h' },
      },
    })
    return values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}
