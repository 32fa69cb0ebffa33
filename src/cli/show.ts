import { setTimeout as sleep } from 'node:timers/promises'
import { passes } from './command-error.ts'
import { at } from './times.ts'
import type { Context } from './verb.ts'

/**
 * Shows what is read: as JSON in one line, or as drawn. With `watch` again and again: a terminal is redrawn, elsewhere
 * each is printed that differs from the one before. While the service does not answer, what was read last stays. Ends when
 * `isOver` says so.
 */
export async function show<Reply>(
  { terminal, json }: Pick<Context, 'terminal' | 'json'>,
  { watch, every }: { watch: boolean; every: number },
  {
    read,
    draw,
    isOver = () => false,
  }: { read: () => Promise<Reply>; draw: (reply: Reply) => string[]; isOver?: (reply: Reply) => boolean },
): Promise<Reply> {
  const print = (reply: Reply) => {
    if (json) terminal.line(JSON.stringify(reply))
    else for (const line of draw(reply)) terminal.line(line)
  }
  let last = await read()
  if (!watch) {
    print(last)
    return last
  }
  const redraws = terminal.isInteractive && !json
  let printed: string | undefined
  let trouble: string | null = null
  for (;;) {
    if (redraws) {
      const now = at(new Date().toISOString())
      const head =
        trouble === null
          ? terminal.paint('dim', `${now}, Ctrl-C ends`)
          : terminal.paint('red', `${now} ${trouble}`)
      terminal.draw([head, '', ...draw(last)])
    } else if (printed !== JSON.stringify(last)) {
      printed = JSON.stringify(last)
      print(last)
    }
    if (isOver(last)) return last
    await sleep(every)
    try {
      last = await read()
      trouble = null
    } catch (error) {
      if (!passes(error)) throw error
      if (trouble === null && !redraws) terminal.note(error.message)
      trouble = error.message
    }
  }
}
