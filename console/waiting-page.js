// @ts-check
import { html } from './html.js'
import { OVERVIEW, OVERVIEW_MS } from './overview-page.js'
import { number } from './section.js'
import { shownOnce } from './shown-once.js'
import { waitingSection } from './waiting-section.js'

/** @import { Page } from './context.js' @import { Overview } from './replies.ts' */

/** Everybody who waits. @type {Page} */
export const waitingPage = {
  title: 'Waiting',
  wants: { [OVERVIEW]: OVERVIEW_MS },
  view: (context) =>
    shownOnce(context.get(OVERVIEW), (body) => {
      const overview = /** @type {Overview} */ (body)
      const { rows, total } = overview.waiting
      return html`
        <h1>Waiting</h1>
        ${waitingSection(context, overview)}
        ${
          total > rows.length &&
          html`<p class="quiet">The first ${number(rows.length)} of ${number(total)} lines, the most troubled first.</p>`
        }
      `
    }),
}
