import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { canInstallPackages, findProgram, installPackage } from './packages.ts'

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
  if (!canInstallPackages()) {
    throw new Error('RabbitMQ is not installed, and this user cannot install it')
  }
  log('installing RabbitMQ (apt-get install rabbitmq-server)')
  await installPackage('rabbitmq-server')
  const installed = installedScript()
  if (installed === undefined)
    throw new Error('rabbitmq-server was installed, but its script is nowhere to be found')
  return installed
}

/** Path of epmd, the name service of Erlang nodes. */
export function findEpmd(): string {
  const found = findProgram('epmd')
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
  return inFolder ?? findProgram('rabbitmq-server')
}
