import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/** The program of this name: on the path, or where Debian puts servers. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/bin']
  return folders
    .filter(Boolean)
    .map((folder) => join(folder, name))
    .find((file) => existsSync(file))
}

/** Whether this user may install Debian packages here. */
export function canInstallPackages(): boolean {
  return process.getuid?.() === 0 && findProgram('apt-get') !== undefined
}

/** Installs one Debian package, without those it only recommends. */
export async function installPackage(name: string): Promise<void> {
  const apt = (...args: string[]) =>
    promisify(execFile)('apt-get', ['-o', 'DPkg::Lock::Timeout=120', ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      maxBuffer: 64 * 1024 * 1024,
    })
  const install = () => apt('install', '-y', '-q', '--no-install-recommends', name)
  try {
    await install()
  } catch {
    // Package lists are missing or out of date.
    await apt('update', '-q')
    await install()
  }
}

/**
 * Installs what only some tests need, where it is missing and may be installed. A machine without it is told and no more.
 * `found` tells what is there; `without` what is done without it.
 */
export async function installUnlessThere(
  name: string,
  { found, without }: { found: () => unknown; without: string },
): Promise<void> {
  if ((await found()) !== undefined) return
  if (canInstallPackages()) await installPackage(name).catch((error: Error) => console.log(error.message))
  if ((await found()) === undefined)
    console.log(`${name} is not installed (apt-get install ${name}): ${without}`)
}
