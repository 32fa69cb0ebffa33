import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { EVENT_EXCHANGE } from '../../amqp/topology.ts'
import { coerceError } from '../../runtime/errors.ts'
import { createEnds, type End } from '../await-ends.ts'
import { listen, lost, withLink } from '../broker.ts'
import { CommandError, wrongUse } from '../command-error.ts'
import { duration, flag, value } from '../option.ts'
import { type Order, readOrders } from '../read-orders.ts'
import { isGood, stateCell } from '../requests.ts'
import { sealOrders } from '../seal-orders.ts'
import { sendOrders } from '../send-orders.ts'
import { table } from '../table.ts'
import { type Context, DRY_RUN, defineVerb } from '../verb.ts'

/** Projects to whose rejections one listens singly; to those of all beyond. */
const MAX_KEYS = 100
/** As many are told one by one; --json has all that ended. */
const MAX_FAULTS = 20
const MAX_ENDS = 50

export const publish = defineVerb({
  name: 'publish',
  says: 'publishes orders: one as JSON, or one on each line of a file or of standard input',
  role: 'read',
  places: { file: value('file', 'what to read; standard input where it is left out, or -') },
  options: {
    seal: flag('seal each password to the newest key of the service, so that no queue ever holds it'),
    wait: flag('wait for the end of each, and tell how it ended'),
    timeout: value('duration', 'with --wait: how long at the most', duration),
    ...DRY_RUN,
  },
  examples: [
    'publish order.json --wait',
    'publish orders.jsonl --seal',
    'publish - --dry-run < orders.jsonl',
  ],
  notes: `All orders are judged first, as the service will; with a fault in any of them nothing is published. Each is then sent
until the broker confirms it. Running it again is safe: the ids are the keys, and what was stored is not ordered twice.
Exit code 0: all confirmed, with --wait all running or partially_running.`,
  check: ({ timeout, wait }) => (timeout !== undefined && !wait ? '--timeout needs --wait' : null),
  carryOut: async ({ file = '-', seal, wait, timeout, dryRun }, context) => {
    const { api, terminal, json } = context
    const read = judged(await textOf(file, context))
    const orders = seal ? await sealOrders(api, read) : read
    if (dryRun) {
      if (json) terminal.line(JSON.stringify({ dry_run: true, orders: orders.length }))
      else terminal.line(`${countOf(orders.length)} would be published, without a fault`)
      return undefined
    }
    return withLink(context.amqpUrl(), async (link) => {
      const progress = createProgress(context, orders.length)
      const onTrouble = (message: string) => progress.told(message)
      const ends = createEnds(api, orders, { timeoutMs: timeout, onEnd: progress.ended, onTrouble })
      // Before anything is sent, so that no rejection is missed.
      if (wait) await listen(link, { exchange: EVENT_EXCHANGE, keys: rejectionKeys(orders) }, ends.rejected)
      try {
        await sendOrders(link, orders, progress.confirmed)
      } finally {
        progress.sent()
      }
      if (!wait) return tell(context, orders.length, null)
      return tell(context, orders.length, await Promise.race([ends.await(), lost(link)]))
    })
  },
})

async function textOf(file: string, { terminal, stdin }: Context): Promise<Buffer> {
  if (file !== '-')
    return readFile(file).catch((error: unknown) => {
      throw wrongUse(
        `${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? coerceError(error).message}`,
      )
    })
  if (stdin.isTTY) terminal.note('reading orders from the terminal; Ctrl-D ends them')
  return buffer(stdin)
}

function judged(text: Buffer): Order[] {
  const { orders, faults } = readOrders(text)
  if (faults.length > 0) {
    const lines = faults
      .slice(0, MAX_FAULTS)
      .map(({ line, path, message }) => `line ${line}: ${path === '' ? '' : `${path} `}${message}`)
    const more = faults.length > MAX_FAULTS ? [`and ${faults.length - MAX_FAULTS} more`] : []
    throw new CommandError(
      'failed',
      'invalid_request',
      ['nothing is published:', ...lines, ...more].join('\n  '),
    )
  }
  if (orders.length === 0) throw wrongUse('there is no order in it')
  return orders
}

function rejectionKeys(orders: readonly Order[]): string[] {
  const projects = [...new Set(orders.map(({ projectId }) => projectId))]
  return (projects.length > MAX_KEYS ? ['*'] : projects).map((project) => `request.rejected.${project}`)
}

const countOf = (count: number) => `${count} ${count === 1 ? 'order' : 'orders'}`

function createProgress({ terminal }: Context, total: number) {
  let confirmed = 0
  let trouble = ''
  const states = new Map<string, number>()
  const ended = () => [...states.values()].reduce((sum, count) => sum + count, 0)
  const shown = () => {
    const byState = [...states].map(([state, count]) => `${state} ${count}`).join(', ')
    return `${ended()} of ${total} ended${byState === '' ? '' : `: ${byState}`}`
  }
  return {
    confirmed: () => {
      confirmed += 1
      terminal.progress(`${confirmed} of ${total} confirmed`)
    },
    /** However sending has ended. */
    sent: () => {
      if (confirmed < total) terminal.note(`${confirmed} of ${total} confirmed; running this again is safe`)
      else terminal.progress(`${total} confirmed`)
    },
    ended: ({ state }: End) => {
      states.set(state, (states.get(state) ?? 0) + 1)
      terminal.progress(shown())
    },
    /** Of the same trouble once, where progress is not shown. */
    told: (message: string) => {
      if (terminal.showsProgress) terminal.progress(`${shown()}; ${message}`)
      else if (message !== trouble) terminal.note(`${message}; waiting on`)
      trouble = message
    },
  }
}

function tell({ terminal, json }: Context, published: number, ends: End[] | null) {
  const bad = (ends ?? []).filter(({ state }) => state === 'rejected' || !isGood(state))
  if (json) {
    for (const end of ends ?? []) terminal.line(JSON.stringify(end))
    terminal.line(
      JSON.stringify({ published, ...(ends === null ? {} : { ended_well: published - bad.length }) }),
    )
  } else if (ends === null) {
    terminal.line(`${countOf(published)} published and confirmed`)
  } else {
    const columns = [
      { title: 'project' },
      { title: 'request' },
      { title: 'state' },
      { title: 'why', gives: true },
    ]
    const rows = bad
      .slice(0, MAX_ENDS)
      .map(({ project_id, request_id, state, reason }) => [
        project_id,
        request_id,
        state === 'rejected' ? ({ text: state, style: 'red' } as const) : stateCell(state),
        reason,
      ])
    const more = bad.length > MAX_ENDS ? [`and ${bad.length - MAX_ENDS} more: --json has all`] : []
    if (bad.length > 0)
      for (const line of [...table(terminal, columns, rows), ...more, '']) terminal.line(line)
    terminal.line(`${countOf(published)} published, ${published - bad.length} ended well`)
  }
  return bad.length > 0 ? ('failed' as const) : undefined
}
