/**
 * What `npm start` and the image give to node. Left alone, it sizes its heap by the machine's memory: the young
 * generation alone takes 134 MB, which are never given back, and a replica keeps 430 MB after a flood of messages
 * instead of 220.
 */
export const MEMORY_BOUNDS = ['--max-semi-space-size=16', '--max-old-space-size=1536']

const A_BOUND = /--max[-_](semi|old)[-_]space[-_]size/

/**
 * Starts the process anew with the bounds, as the same process, unless it was given some: they count only from the
 * start on. Does not return then. Does nothing where the system cannot, or a parent process is connected.
 */
export function boundMemory(own: NodeJS.Process): void {
  const given = [...own.execArgv, own.env.NODE_OPTIONS ?? ''].some((option) => A_BOUND.test(option))
  if (given || own.connected || own.platform === 'win32' || own.execve === undefined) return
  own.execve(own.execPath, [own.execPath, ...MEMORY_BOUNDS, ...own.execArgv, ...own.argv.slice(1)], own.env)
}
