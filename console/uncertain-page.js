// @ts-check
import { ahead, lasting } from './duration.js'
import { evidenceView } from './evidence.js'
import { html } from './html.js'
import { orderLink } from './order-link.js'
import { pager } from './pager.js'
import { number, plural } from './section.js'
import { shownOnce } from './shown-once.js'
import { table } from './table.js'

/** @import { Page } from './context.js' @import { Uncertain } from './replies.ts' @import { Route } from './route.js' */

const LOOK_MS = 5000

/** Every call of unknown outcome, with all that was found. @param {Route} route @returns {Page} */
export function uncertainPage(route) {
  const { marker } = route.query
  const path = `operations/uncertain?${new URLSearchParams(marker === undefined ? {} : { marker })}`
  return {
    title: 'Uncertain',
    wants: { [path]: LOOK_MS },
    view: ({ get, now }) => html`
      <h1>Calls of unknown outcome</h1>
      ${shownOnce(get(path), (body) => {
        const { attempts, total, next_marker } = /** @type {Uncertain} */ (body)
        return html`
          <p class="answer">${plural(total, 'call')}. Open an order to adopt its servers, or to say that there are none.</p>
          ${table({
            caption: 'Calls of unknown outcome',
            /** @type {import('./table.js').Column<Uncertain['attempts'][number]>[]} */
            columns: [
              { head: 'Order', kind: 'name', cell: orderLink },
              { head: 'For', cell: ({ uncertain_since }) => lasting(uncertain_since, now) },
              { head: 'Looks', kind: 'number', cell: ({ looks }) => number(looks) },
              { head: 'Next look', cell: ({ next_look_at }) => ahead(next_look_at, now) },
              {
                head: 'Servers it may have made',
                cell: ({ expected }) => `${expected.min} to ${expected.max}`,
              },
              { head: 'Evidence', kind: 'wide', cell: ({ evidence }) => evidenceView(evidence) },
            ],
            rows: attempts,
            keyOf: ({ attempt_id }) => attempt_id,
            empty: 'Nothing is uncertain.',
          })}
          ${pager(route, next_marker)}
        `
      })}
    `,
  }
}
