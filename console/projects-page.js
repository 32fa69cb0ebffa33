// @ts-check
import { projectTable } from './budgets-section.js'
import { html } from './html.js'
import { pager } from './pager.js'
import { linkTo, projectLink } from './route.js'
import { shownOnce } from './shown-once.js'

/**
 * @import { Project } from './budgets-section.js'
 * @import { Context, Page } from './context.js'
 * @import { Projects } from './replies.ts'
 * @import { Route } from './route.js'
 */

const LOOK_MS = 10_000

/** All projects, page by page, those with the least left of their limit first. @param {Route} route @returns {Page} */
export function projectsPage(route) {
  const { marker, search = '' } = route.query
  const path = `operations/projects?${new URLSearchParams({ ...(marker ? { marker } : {}), limit: '50' })}`
  return {
    title: 'Projects',
    wants: { [path]: LOOK_MS },
    view: (context) => html`
      <h1>Projects</h1>
      ${searchForm(context, search)}
      ${shownOnce(context.get(path), (body) => {
        const { projects, next_marker } = /** @type {Projects} */ (body)
        const found = projects.filter(({ project_id }) => project_id.includes(search))
        return html`${projectTable(context, found.map(asBudget))}${pager(route, next_marker)}`
      })}
    `,
  }
}

/** @param {Projects['projects'][number]} project @returns {Project} */
function asBudget({ project_id, requests, bucket, used_share, credential_id }) {
  const { level = 0, rate = 0, burst = 0, paused = false, overridden = false } = bucket ?? {}
  return {
    ...{ project_id, used_share, credential_id, level, rate, burst, paused, overridden },
    waiting: requests.queued > 0,
    closed_reason: bucket?.blocked_reason ?? null,
    closed_until: bucket?.blocked_until ?? null,
    paused_until: bucket?.paused_until ?? null,
    override_until: bucket?.override_until ?? null,
  }
}

/** Narrows the page down, and leads to any project whose id is known. @param {Context} context @param {string} search */
function searchForm({ route: { path, query }, refine }, search) {
  /** @param {InputEvent} event */
  const narrow = ({ target }) =>
    refine(linkTo(path, { ...query, search: /** @type {HTMLInputElement} */ (target).value }))
  return html`
    <form class="filters" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
      <label>Find a project <input type="search" value=${search} onInput=${narrow} /></label>
      ${search !== '' && html`<a href=${projectLink(search)}>Open ${search}</a>`}
    </form>
  `
}
