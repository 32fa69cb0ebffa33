import { randomBytes } from 'node:crypto'
import { freePort } from '../servers/free-port.ts'
import { waitUntil } from '../servers/wait-until.ts'
import { startArguments } from '../start-command.ts'
import { type MeasuredProcess, startMeasured } from './measured-process.ts'
import type { Bench, World } from './world.ts'

const SECRET_KEYS = `bench:${randomBytes(32).toString('base64')}`

/** A limit far above what the machine can do, with room for calls that come late. */
export const NO_LIMIT = { RATE_LIMIT_PER_SECOND: '10000', RATE_LIMIT_BURST: '20000' }

/** How the service proves who it is: the stub takes anything. */
export const BY_TOKEN = { CLOUDDC_AUTH_TOKEN: 'bench-token' }
export const BY_KEYS = { CLOUDDC_ACCESS_KEY: 'BENCHACCESSKEY000001', CLOUDDC_SECRET_KEY: 'bench-secret-key' }

/** A process of the service: `node src/main.ts`. */
export interface ServiceProcess extends MeasuredProcess {
  readonly url: string
  ready(): Promise<void>
  /** The samples of /metrics by name and labels, as they are written there. */
  metrics(): Promise<Map<string, number>>
}

export interface ServiceOptions {
  bench: Bench
  world: World
  upstreamUrl: string
  /** Settings beside the addresses. */
  settings?: Readonly<Record<string, string>>
  /** By default a token. */
  credential?: Readonly<Record<string, string>> | undefined
  /** The checkout whose service is started; by default this one. */
  root?: URL
}

/** Starts a replica; `ready` tells when it answers. */
export async function startService(options: ServiceOptions): Promise<ServiceProcess> {
  const { bench, world, upstreamUrl, settings = {}, credential = BY_TOKEN, root } = options
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const profiling =
    bench.profileFolder === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${bench.profileFolder}`]
  const child = startMeasured({
    folder: bench.folder,
    name: 'service',
    args: [...profiling, ...startArguments(root)],
    environment: {
      DATABASE_URL: world.databaseUrl,
      AMQP_URL: world.amqpUrl,
      CLOUDDC_ENDPOINT: upstreamUrl,
      ...credential,
      SECRET_KEYS,
      LOG_LEVEL: 'warn',
      ...settings,
      HOST: '127.0.0.1',
      PORT: String(port),
    },
  })
  const ready = () =>
    waitUntil(
      async () => {
        const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2000) })
        await response.text()
        if (!response.ok) throw new Error(`/readyz says ${response.status}`)
      },
      { what: 'the service is not ready', timeoutMs: 60_000, pollMs: 5, givenUp: () => endOf(child) },
    )
  return {
    ...child,
    url,
    ready,
    metrics: async () => {
      const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(30_000) })
      return parseMetrics(await response.text())
    },
  }
}

function endOf(child: MeasuredProcess): string | undefined {
  try {
    child.checkAlive()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function parseMetrics(text: string): Map<string, number> {
  const samples = new Map<string, number>()
  for (const line of text.split('\n')) {
    const place = line.lastIndexOf(' ')
    if (line.startsWith('#') || place < 0) continue
    samples.set(line.slice(0, place), Number(line.slice(place + 1)))
  }
  return samples
}

/** Sum of all samples of one name whose labels contain `label`. */
export function sumOf(samples: ReadonlyMap<string, number>, name: string, label = ''): number {
  let sum = 0
  for (const [sample, value] of samples) {
    const plain = sample.split('{')[0] ?? ''
    if (plain.endsWith(name) && sample.includes(label)) sum += value
  }
  return sum
}
