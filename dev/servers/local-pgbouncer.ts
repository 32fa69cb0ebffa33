import { chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { accountInsteadOfRoot } from './account.ts'
import { freePort } from './free-port.ts'
import { findProgram } from './packages.ts'
import { createRunFolder } from './run-folder.ts'
import { waitUntil } from './wait-until.ts'

export interface Pgbouncer {
  /** The URL of a database of the server behind, by way of the pooler. */
  through(databaseUrl: string): string
  stop(): Promise<void>
}

/** Path of pgbouncer, which is not needed to run anything here: undefined where it is not installed. */
export function findPgbouncer(): string | undefined {
  return findProgram('pgbouncer')
}

/**
 * A private pgbouncer in session mode, on 127.0.0.1 only, before the server that `serverUrl` names. Its other settings
 * are its defaults: it refuses startup parameters that it does not know.
 */
export async function startPgbouncer(program: string, serverUrl: string): Promise<Pgbouncer> {
  const server = new URL(serverUrl)
  const folder = createRunFolder()
  const account = accountInsteadOfRoot('pgbouncer', ['postgres', 'nobody'])
  const port = await freePort()
  const through = (databaseUrl: string) => {
    const url = new URL(databaseUrl)
    url.hostname = '127.0.0.1'
    url.port = String(port)
    return url.href
  }
  const write = (name: string, lines: readonly string[]) => {
    const path = join(folder.path, name)
    writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 })
    if (account) chownSync(path, account.uid, account.gid)
    return path
  }
  const users = write('users.txt', [`"${server.username}" "${decodeURIComponent(server.password)}"`])
  const configuration = write('pgbouncer.ini', [
    '[databases]',
    `* = host=${server.hostname} port=${server.port || '5432'}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = plain',
    `auth_file = ${users}`,
    'pool_mode = session',
  ])
  const pooler = folder.start({
    name: 'pgbouncer',
    command: program,
    args: [configuration],
    endSignal: 'KILL',
    ...account,
  })
  try {
    await waitUntil(() => connectOnce(through(serverUrl)), {
      what: 'pgbouncer did not start',
      timeoutMs: 20_000,
      pollMs: 50,
      givenUp: () => (pooler.isRunning() ? undefined : `it ended\n${pooler.logTail()}`),
    })
  } catch (error) {
    await folder.remove()
    throw error
  }
  return {
    through,
    stop: async () => {
      await pooler.end('SIGTERM')
      await folder.remove()
    },
  }
}

async function connectOnce(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SELECT 1')
  } finally {
    await client.end().catch(() => undefined)
  }
}
