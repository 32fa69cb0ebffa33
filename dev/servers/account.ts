import { spawnSync } from 'node:child_process'

/** A user of this system, as `spawn` takes it. */
export interface Account {
  uid: number
  gid: number
}

/**
 * Who a server runs as that refuses to run as root: for root the first of these users that exists, else this user
 * itself (undefined).
 */
export function accountInsteadOfRoot(server: string, names: readonly string[]): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  for (const name of names) {
    const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout)
    if (uid?.trim() && gid?.trim()) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new Error(`${server} does not run as root, and there is no user ${names.join(' or ')}`)
}
