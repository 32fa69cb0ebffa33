import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { RunFolder } from '../servers/run-folder.ts'
import { waitUntil } from '../servers/wait-until.ts'
import type { StubRecord, StubSettings } from './stub/stub.ts'

const ENTRY = fileURLToPath(new URL('./stub/main.ts', import.meta.url))

/** The stub of CloudDC, in a process of its own. */
export interface Upstream {
  readonly url: string
  set(settings: Partial<StubSettings>): Promise<void>
  /** Forgets what was recorded. */
  reset(): Promise<void>
  counts(): Promise<{ calls: number; lists: number }>
  record(): Promise<StubRecord>
  stop(): Promise<void>
}

let started = 0

export async function startUpstream(folder: RunFolder): Promise<Upstream> {
  started += 1
  const name = `stub-${started}`
  const child = folder.start({
    name,
    command: process.execPath,
    args: [ENTRY],
    env: { PATH: process.env.PATH },
    endSignal: 'KILL',
  })
  const url = await waitUntil(
    async () => {
      const [line = ''] = readFileSync(join(folder.path, `${name}.log`), 'utf8').split('\n')
      return new URL(line).origin
    },
    {
      what: 'the stub of CloudDC did not start',
      timeoutMs: 20_000,
      pollMs: 20,
      givenUp: () => (child.isRunning() ? undefined : `it ended\n${child.logTail()}`),
    },
  )
  const ask = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(`${url}/bench/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(60_000),
    })
    return response.json()
  }
  return {
    url,
    set: async (settings) => {
      await ask('PUT', 'settings', settings)
    },
    reset: async () => {
      await ask('POST', 'reset')
    },
    counts: async () => (await ask('GET', 'counts')) as { calls: number; lists: number },
    record: async () => (await ask('GET', 'record')) as StubRecord,
    stop: () => child.end('SIGTERM'),
  }
}
