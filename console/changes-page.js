// @ts-check
import { changesTable } from './changes-section.js'
import { html } from './html.js'
import { pager } from './pager.js'
import { shownOnce } from './shown-once.js'

/** @import { Page } from './context.js' @import { Audit } from './replies.ts' @import { Route } from './route.js' */

const LOOK_MS = 5000

/** All that people changed, newest first. @param {Route} route @returns {Page} */
export function changesPage(route) {
  const { marker } = route.query
  const path = `operations/audit?${new URLSearchParams(marker === undefined ? {} : { marker })}`
  return {
    title: 'Changes',
    wants: { [path]: LOOK_MS },
    view: ({ get, now }) => html`
      <h1>What people changed</h1>
      ${shownOnce(get(path), (body) => {
        const { entries, next_marker } = /** @type {Audit} */ (body)
        return html`${changesTable(entries, now)}${pager(route, next_marker)}`
      })}
    `,
  }
}
