// @ts-check
import { ago } from './duration.js'
import { html } from './html.js'
import { orderLink } from './order-link.js'
import { linkTo } from './route.js'
import { number, plural } from './section.js'
import { shownOnce } from './shown-once.js'
import { table } from './table.js'
import { letterCode } from './words.js'

/** @import { Page } from './context.js' @import { Letters } from './replies.ts' @import { Route } from './route.js' */

/** @typedef {Letters['letters'][number]} Letter */

const LOOK_MS = 5000

/** The newest dead letters, of one code or of all. @param {Route} route @returns {Page} */
export function lettersPage({ query }) {
  const { code } = query
  const path = `operations/dead-letters?${new URLSearchParams({ ...(code ? { code } : {}), limit: '200' })}`
  return {
    title: 'Dead letters',
    wants: { [path]: LOOK_MS },
    view: ({ get, now }) => html`
      <h1>Dead letters${code && `: ${letterCode(code)}`}</h1>
      ${shownOnce(get(path), (body) => {
        const { in_queue, letters } = /** @type {Letters} */ (body)
        const waiting =
          in_queue === null
            ? 'The broker does not say how many wait.'
            : `${plural(in_queue, 'letter')} in the queue.`
        return html`
          <p class="answer">
            ${waiting} The newest of the index, which never takes from the queue:
            ${code && html` <a href=${linkTo(['dead-letters'])}>of all codes</a>`}
          </p>
          ${lettersTable(letters, now)}
        `
      })}
    `,
  }
}

/** @param {readonly Letter[]} rows @param {number} now */
function lettersTable(rows, now) {
  return table({
    caption: 'Dead letters, newest first',
    /** @type {import('./table.js').Column<Letter>[]} */
    columns: [
      { head: 'Rejected', cell: ({ rejected_at }) => ago(rejected_at, now) },
      {
        head: 'Code',
        cell: ({ code }) => html`<a href=${linkTo(['dead-letters'], { code })}><code>${code}</code></a>`,
      },
      { head: 'Order', kind: 'name', cell: orderOf },
      {
        head: 'Faults',
        kind: 'wide',
        cell: ({ detail }) =>
          detail.map(
            ({ path, message }) => html`<div>${path && html`<code>${path}</code> `}${message}</div>`,
          ),
      },
      { head: 'Bytes', kind: 'number', cell: ({ bytes }) => number(bytes) },
      { head: 'Replayed', cell: ({ replayed_at }) => (replayed_at === null ? 'no' : ago(replayed_at, now)) },
    ],
    rows,
    keyOf: ({ id }) => id,
    empty: 'No letter is like that.',
  })
}

/** @param {Letter} letter */
function orderOf({ project_id, request_id }) {
  if (project_id === null || request_id === null) return 'not readable'
  return orderLink({ project_id, request_id })
}
