// @ts-check
import { ago } from './duration.js'
import { causesTable } from './failures-section.js'
import { html } from './html.js'
import { linkTo } from './route.js'
import { plural } from './section.js'
import { shownOnce } from './shown-once.js'

/** @import { Page } from './context.js' @import { Failures } from './replies.ts' @import { Route } from './route.js' */

const LOOK_MS = 10_000

/** From when on, in hours. */
const SPANS = [
  ['1', 'hour'],
  ['24', '24 hours'],
  ['168', '7 days'],
  ['720', '30 days'],
]

/** What failed since a time, by cause. @param {Route} route @returns {Page} */
export function failuresPage({ path: here, query, at }) {
  const hours = Number(query.hours) || 24
  const since = new Date(at - hours * 3_600_000).toISOString()
  const path = `operations/failures?${new URLSearchParams({ since })}`
  return {
    title: 'Failures',
    wants: { [path]: LOOK_MS },
    view: ({ get, now }) => html`
      <h1>What failed, by cause</h1>
      <nav class="spans" aria-label="Time">
        The last ${SPANS.map(
          ([value, name]) => html`
            <a href=${linkTo(here, { hours: value })} aria-current=${Number(value) === hours ? 'true' : undefined}>${name}</a>${' '}
          `,
        )}
      </nav>
      ${shownOnce(get(path), (body) => {
        const { failures, truncated } = /** @type {Failures} */ (body)
        const total = failures.reduce((sum, { count }) => sum + count, 0)
        return html`
          <p class="answer">
            ${plural(total, 'order')}${truncated && ' or more'} failed or expired, counted from ${ago(since, now)}.
          </p>
          ${causesTable(failures, now)}
        `
      })}
    `,
  }
}
