import type { Change } from './api.ts'
import { withQuery } from './api.ts'
import type { Context } from './verb.ts'

/**
 * Makes a change, and tells what came of it; with `dryRun` only what would be asked of the service.
 * Undefined where nothing was done.
 */
export async function make<Reply>(
  { api, terminal, json }: Pick<Context, 'api' | 'terminal' | 'json'>,
  change: Change,
  { dryRun, tell }: { dryRun: boolean; tell: (reply: Reply) => string | string[] },
): Promise<Reply | undefined> {
  const { method, path, query, body } = change
  if (dryRun) {
    const url = `${api.url}${withQuery(path, query)}`
    if (json) terminal.line(JSON.stringify({ dry_run: true, method, url, body: body ?? null }))
    else
      terminal.line(`would be sent: ${method} ${url}${body === undefined ? '' : ` ${JSON.stringify(body)}`}`)
    return undefined
  }
  const reply = await api.change<Reply>(change)
  if (json) terminal.line(JSON.stringify(reply))
  else for (const line of [tell(reply)].flat()) terminal.line(line)
  return reply
}
