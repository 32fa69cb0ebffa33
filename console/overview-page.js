// @ts-check
import { budgetsSection } from './budgets-section.js'
import { changesSection } from './changes-section.js'
import { failuresSection } from './failures-section.js'
import { flowSection } from './flow-section.js'
import { html } from './html.js'
import { lettersSection } from './letters-section.js'
import { replicasSection } from './replicas-section.js'
import { shownOnce } from './shown-once.js'
import { statusSection } from './status-section.js'
import { uncertainSection } from './uncertain-section.js'
import { waitingSection } from './waiting-section.js'

/** @import { Context, Page } from './context.js' @import { Overview } from './replies.ts' */

export const OVERVIEW = 'operations/overview'
export const OVERVIEW_MS = 2000

/** Rows of each part, so that all answers fit one screen. */
const MOST = 3

/** @type {Page} */
export const overviewPage = {
  title: 'Overview',
  wants: { [OVERVIEW]: OVERVIEW_MS },
  view: (context) =>
    shownOnce(context.get(OVERVIEW), (body) => {
      const overview = /** @type {Overview} */ (body)
      return html`
        <h1 class="unseen">Overview</h1>
        <div class="overview">
          ${statusSection(context, overview, context.get(OVERVIEW).error === null)}
          ${flowSection(context, overview)}
          ${waitingSection(context, overview, MOST)}
          ${budgetsSection(context, overview, MOST)}
          ${uncertainSection(context, overview, MOST)}
          ${failuresSection(context, overview, MOST)}
          ${lettersSection(context, overview, MOST)}
          ${changesSection(context, overview, MOST)}
          ${replicasSection(context, overview)}
        </div>
      `
    }),
}
