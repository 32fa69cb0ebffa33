import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/** The server's own scripts; the ones Debian puts on the path change user. */
const SCRIPT_FOLDERS = [
  '/usr/lib/rabbitmq/bin',
  '/opt/homebrew/opt/rabbitmq/sbin',
  '/usr/local/opt/rabbitmq/sbin',
]

/** Path of the `rabbitmq-server` script; installs the Debian package when that is possible. */
export async function findRabbitmqServer(log: (line: string) => void): Promise<string> {
  const found = installedScript()
  if (found !== undefined) return found
  if (process.getuid?.() !== 0 || onPath('apt-get') === undefined) {
    throw new Error('RabbitMQ is not installed, and this user cannot install it')
  }
  log('installing RabbitMQ (apt-get install rabbitmq-server)')
  await installPackage()
  const installed = installedScript()
  if (installed === undefined)
    throw new Error('rabbitmq-server was installed, but its script is nowhere to be found')
  return installed
}

/** Path of epmd, the name service of Erlang nodes. */
export function findEpmd(): string {
  const found = onPath('epmd')
  if (found !== undefined) return found
  const root = spawnSync('erl', ['-noshell', '-eval', 'io:put_chars(code:root_dir()), halt().'], {
    encoding: 'utf8',
  })
  const inErlang = join(root.stdout ?? '', 'bin/epmd')
  if (root.status === 0 && existsSync(inErlang)) return inErlang
  throw new Error('epmd, a part of Erlang, is not on the path')
}

function installedScript(): string | undefined {
  const inFolder = SCRIPT_FOLDERS.map((folder) => join(folder, 'rabbitmq-server')).find((file) =>
    existsSync(file),
  )
  return inFolder ?? onPath('rabbitmq-server')
}

function onPath(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/bin']
  return folders
    .filter(Boolean)
    .map((folder) => join(folder, name))
    .find((file) => existsSync(file))
}

async function installPackage(): Promise<void> {
  const apt = (...args: string[]) =>
    promisify(execFile)('apt-get', ['-o', 'DPkg::Lock::Timeout=120', ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      maxBuffer: 64 * 1024 * 1024,
    })
  const install = () => apt('install', '-y', '-q', '--no-install-recommends', 'rabbitmq-server')
  try {
    await install()
  } catch {
    // Package lists are missing or out of date.
    await apt('update', '-q')
    await install()
  }
}
