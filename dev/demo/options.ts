import { parseArgs } from 'node:util'
import { ACCESS_KINDS, type AccessKind } from './access.ts'

export interface DemoOptions {
  /** Valid, distinct requests; invalid ones, copies and conflicts come on top. */
  requests: number
  projects: number
  /** Calls per second of each project. */
  rate: number
  /** Calls at once of each project. */
  burst: number
  /** Processes of the service. */
  replicas: number
  json: boolean
  keep: boolean
  seed: number
  /** How the service proves who it is. */
  auth: AccessKind
}

export const USAGE = `npm run demo -- [options]

Starts private servers, the CloudDC simulator and the service, publishes provision requests, shows them on their
way, and checks at the end, from outside, that nothing was lost, doubled, forgotten, overspent or leaked.

  --requests N   valid requests to publish; duplicates, conflicts and invalid ones come on top (200)
  --projects P   projects they are spread over (3)
  --rate R       calls per second of each project, enforced by service and simulator alike (20)
  --replicas K   processes of the service (1)
  --auth KIND    how the service proves to CloudDC who it is: ${ACCESS_KINDS.join(', ')};
                 mixed signs the calls of one project, and gets tokens by password for the others (mixed)
  --seed S       what the requests and the simulator's boots are drawn from (1)
  --json         plain lines, and one JSON object as the last line
  --keep         leave everything running at the end, and print where it is, until Ctrl-C
  --help         this text`

export class UsageError extends Error {}

/** Reads the command line; null for --help. @throws {UsageError} naming what is wrong */
export function readOptions(args: readonly string[]): DemoOptions | null {
  const { values } = parse(args)
  if (values.help) return null
  const faults: string[] = []
  const number = (name: 'requests' | 'projects' | 'rate' | 'replicas' | 'seed', min: number, max: number) => {
    const text = values[name]
    const value = Number(text)
    const whole = name === 'rate' || Number.isInteger(value)
    if (text.trim() === '' || !whole || !(value >= min && value <= max)) {
      faults.push(
        `--${name} must be a ${name === 'rate' ? '' : 'whole '}number from ${min} to ${max}, not "${text}"`,
      )
    }
    return value
  }
  const auth = ACCESS_KINDS.find((kind) => kind === values.auth)
  if (auth === undefined)
    faults.push(`--auth must be one of ${ACCESS_KINDS.join(', ')}, not "${values.auth}"`)
  const rate = number('rate', 0.1, 10_000)
  const options: DemoOptions = {
    requests: number('requests', 1, 100_000),
    projects: number('projects', 1, 100),
    rate,
    burst: Math.max(5, Math.round(rate / 2)),
    replicas: number('replicas', 1, 20),
    seed: number('seed', 0, 2 ** 31),
    auth: auth ?? 'mixed',
    json: values.json,
    keep: values.keep,
  }
  if (faults.length > 0) throw new UsageError(faults.join('\n'))
  return options
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        requests: { type: 'string', default: '200' },
        projects: { type: 'string', default: '3' },
        rate: { type: 'string', default: '20' },
        replicas: { type: 'string', default: '1' },
        seed: { type: 'string', default: '1' },
        auth: { type: 'string', default: 'mixed' },
        json: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false, short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}
