import { readFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inheritedEnvironment } from './inherited-environment.ts'
import type { RunFolder } from './servers/run-folder.ts'
import { waitUntil } from './servers/wait-until.ts'

const ENTRY = fileURLToPath(new URL('../simulator/main.ts', import.meta.url))

export interface SimulatorProcess {
  readonly url: string
  readonly adminUrl: string
  /** Calls the admin port; rejects with its message when it says no. */
  admin<Answer>(method: string, path: string, body?: unknown): Promise<Answer>
  stop(): Promise<void>
}

/**
 * The CloudDC simulator in a process of its own, so that nothing else here delays the arrival times it records.
 * `knobs` are its SIM_ variables.
 */
export async function startSimulator({
  folder,
  knobs,
}: {
  folder: RunFolder
  knobs: Readonly<Record<string, string>>
}): Promise<SimulatorProcess> {
  const name = 'simulator'
  const child = folder.start({
    name,
    command: process.execPath,
    args: [ENTRY],
    env: { ...inheritedEnvironment(), SIM_PORT: '0', ...knobs },
    endSignal: 'KILL',
  })
  preferOverOthers(child.pid)
  const { url, admin_url: adminUrl } = await waitUntil(
    async () => {
      const [line = ''] = readFileSync(join(folder.path, `${name}.log`), 'utf8').split('\n')
      return JSON.parse(line) as { url: string; admin_url: string }
    },
    {
      what: 'the CloudDC simulator did not start',
      timeoutMs: 60_000,
      pollMs: 20,
      givenUp: () => (child.isRunning() ? undefined : `it ended\n${child.logTail()}`),
    },
  )
  return {
    url,
    adminUrl,
    admin: async <Answer>(method: string, path: string, body?: unknown) => {
      const response = await fetch(`${adminUrl}/admin/${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(30_000),
      })
      const answer = (await response.json()) as Answer & { error?: string }
      if (!response.ok) throw new Error(`the simulator refused ${method} ${path}: ${answer.error}`)
      return answer
    },
    stop: () => child.end('SIGTERM'),
  }
}

/** The times it notes are what call budgets are judged by: on a busy machine it must not be the one to wait. */
function preferOverOthers(pid: number): void {
  try {
    setPriority(pid, -10)
  } catch {
    // Only for the superuser.
  }
}
