import { fileURLToPath } from 'node:url'
import { waitUntil } from '../servers/wait-until.ts'
import { type MeasuredProcess, startMeasured } from './measured-process.ts'
import type { Bench, World } from './world.ts'

const ENTRY = fileURLToPath(new URL('./raw/main.ts', import.meta.url))

export interface RawProcess extends MeasuredProcess {
  ready(): Promise<void>
}

/** Starts one of the raw pipelines as a process of its own, as the service is one. */
export function startRaw(options: {
  bench: Bench
  world: World
  pipeline: 'intake' | 'end_to_end' | 'publish' | 'start'
  environment?: Readonly<Record<string, string>>
}): RawProcess {
  const { bench, world, pipeline, environment = {} } = options
  const child = startMeasured({
    folder: bench.folder,
    name: `raw-${pipeline}`,
    args: [ENTRY, pipeline],
    environment: { DATABASE_URL: world.databaseUrl, AMQP_URL: world.amqpUrl, ...environment },
  })
  return {
    ...child,
    ready: () =>
      waitUntil(
        async () => {
          child.checkAlive()
          if (!child.log().startsWith('ready')) throw new Error('not yet')
        },
        { what: `the raw pipeline ${pipeline} is not ready`, timeoutMs: 30_000, pollMs: 10 },
      ),
  }
}
