// @ts-check
import { ago, ahead } from './duration.js'
import { html } from './html.js'
import { requestLink } from './route.js'
import { number } from './section.js'
import { table } from './table.js'
import { stateName, waitsFor } from './words.js'

/** @import { Status } from './replies.ts' @import { View } from './html.js' */

const BAD = ['failed', 'expired']
const WATCH = ['uncertain', 'partially_running']

/** A state in plain words, marked where it asks for attention. @param {string} state */
export function stateMark(state) {
  const tone = BAD.includes(state) ? 'bad' : WATCH.includes(state) ? 'watch' : ''
  return html`<span class=${tone}>${stateName(state)}</span>`
}

/** What an order waits for or why it failed. @param {Status} status @param {number} now @returns {View} */
export function why({ waiting, error }, now) {
  if (error !== null) return html`<code>${error.code}</code> <span class="quiet">${error.message}</span>`
  if (waiting === null) return null
  const { reason, detail, until, position, estimated_dispatch_at, estimated_at } = waiting
  return html`
    waits for ${waitsFor(reason)}${detail && html`<span class="quiet">: ${detail}</span>`}
    ${until && html`<span class="quiet">, next try ${ahead(until, now)}</span>`}
    ${position !== null && html`; place ${number(position)} in the queue`}
    ${estimated_dispatch_at && html`, sent ${ahead(estimated_dispatch_at, now)}`}
    ${estimated_at && estimated_at !== estimated_dispatch_at && html`, running ${ahead(estimated_at, now)}`}
  `
}

/** Servers that run, of those that were asked for. @param {Status['counts']} counts */
export function servers({ running, max, failed }) {
  return `${number(running)} of ${number(max)}${failed > 0 ? `, ${number(failed)} failed` : ''}`
}

/** @param {readonly Status[]} rows @param {number} now */
export function ordersTable(rows, now) {
  return table({
    caption: 'Orders, newest first',
    /** @type {import('./table.js').Column<Status>[]} */
    columns: [
      {
        head: 'Order',
        kind: 'name',
        cell: ({ project_id, request_id }) =>
          html`<a href=${requestLink(project_id, request_id)}>${request_id}</a>`,
      },
      { head: 'State', cell: ({ state }) => stateMark(state) },
      { head: 'Servers running', cell: ({ counts }) => servers(counts) },
      { head: 'Why', kind: 'wide', cell: (status) => why(status, now) },
      { head: 'Accepted', cell: ({ created_at }) => ago(created_at, now) },
    ],
    rows,
    keyOf: ({ request_id }) => request_id,
    empty: 'No order is like that.',
  })
}
