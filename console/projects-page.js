// @ts-check
import { projectTable } from './budgets-section.js'
import { html } from './html.js'
import { OVERVIEW, OVERVIEW_MS } from './overview-page.js'
import { linkTo, projectLink } from './route.js'
import { shownOnce } from './shown-once.js'

/** @import { Context, Page } from './context.js' @import { Overview } from './replies.ts' @import { Route } from './route.js' */

/** The call limits of all projects, those in trouble first. @param {Route} route @returns {Page} */
export function projectsPage({ query }) {
  return {
    title: 'Projects',
    wants: { [OVERVIEW]: OVERVIEW_MS },
    view: (context) => html`
      <h1>Projects</h1>
      ${searchForm(context, query.search ?? '')}
      ${shownOnce(context.get(OVERVIEW), (body) => {
        const { projects } = /** @type {Overview} */ (body).budgets
        const search = (query.search ?? '').toLowerCase()
        return projectTable(
          context,
          projects.filter(({ project_id }) => project_id.toLowerCase().includes(search)),
        )
      })}
    `,
  }
}

/** @param {Context} context @param {string} search */
function searchForm({ refine }, search) {
  return html`
    <form class="filters" role="search" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
      <label>
        Find a project
        <input
          type="search" value=${search}
          onInput=${(/** @type {InputEvent} */ { target }) =>
            refine(linkTo(['projects'], { search: /** @type {HTMLInputElement} */ (target).value }))}
        />
      </label>
      ${search !== '' && html`<a href=${projectLink(search)}>Open ${search}</a>`}
    </form>
  `
}
