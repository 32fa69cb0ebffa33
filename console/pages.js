// @ts-check
import { changesPage } from './changes-page.js'
import { mayOperate } from './context.js'
import { failuresPage } from './failures-page.js'
import { html } from './html.js'
import { lettersPage } from './letters-page.js'
import { overviewPage } from './overview-page.js'
import { projectPage } from './project-page.js'
import { projectsPage } from './projects-page.js'
import { requestPage } from './request-page.js'
import { projectLink } from './route.js'
import { runPage } from './run-page.js'
import { uncertainPage } from './uncertain-page.js'
import { waitingPage } from './waiting-page.js'

/** @import { Page } from './context.js' @import { Caller } from './replies.ts' @import { Route } from './route.js' */

/** Links that stand on every page, for those who may follow them. @type {readonly (readonly [path: string, name: string])[]} */
export const PLACES = [
  ['', 'Overview'],
  ['waiting', 'Waiting'],
  ['projects', 'Projects'],
  ['uncertain', 'Uncertain'],
  ['failures', 'Failures'],
  ['dead-letters', 'Dead letters'],
  ['changes', 'Changes'],
]

/** The page at an address. @param {Route} route @param {Caller} caller @returns {Page} */
export function pageAt(route, caller) {
  const [place, id, below, name] = route.path
  if (place === 'project' && id !== undefined) {
    return below === 'request' && name !== undefined ? requestPage(id, name) : projectPage(id, route)
  }
  if (!mayOperate(caller)) return ownProjects(caller)
  if (place === undefined) return overviewPage
  if (place === 'waiting') return waitingPage
  if (place === 'projects') return projectsPage(route)
  if (place === 'uncertain') return uncertainPage(route)
  if (place === 'failures') return failuresPage(route)
  if (place === 'dead-letters') return lettersPage(route)
  if (place === 'changes') return changesPage(route)
  if (place === 'run' && id !== undefined) return runPage(id)
  return nowhere
}

/** @type {Page} */
const nowhere = {
  title: 'Nowhere',
  wants: {},
  view: () => html`<h1>There is nothing here</h1><p><a href="#/">To the overview</a></p>`,
}

/** For who may only look at some projects. @param {Caller} caller @returns {Page} */
function ownProjects({ projects }) {
  return {
    title: 'Projects',
    wants: {},
    view: () => html`
      <h1>Your projects</h1>
      <p class="answer">The overview is for those with the role “operate” for all projects.</p>
      ${
        projects === '*'
          ? html`<p>You may look at the orders of every project: type its id above.</p>`
          : html`<ul>${projects.map((id) => html`<li><a href=${projectLink(id)}>${id}</a></li>`)}</ul>`
      }
    `,
  }
}
