// @ts-check
import { localTime } from './duration.js'
import { html } from './html.js'
import { projectLink } from './route.js'
import { stateName } from './words.js'

/** @import { Context } from './context.js' */

const PAGE = '50'

/** What to list, by the names of the states it stands for. */
const STATES = [
  ['', 'all'],
  ['queued,dispatching,uncertain,provisioning', 'open'],
  ['queued,uncertain', 'waiting'],
  ['failed,expired', 'failed or expired'],
  ...['queued', 'dispatching', 'uncertain', 'provisioning', 'running'].map((state) => [
    state,
    stateName(state),
  ]),
  ...['partially_running', 'failed', 'expired', 'cancelled'].map((state) => [state, stateName(state)]),
]

const FILTERS = ['state', 'request_id', 'error_code', 'correlation_id', 'created_after', 'created_before']

/** The query of the list that the page's address asks for. @param {Readonly<Record<string, string>>} query */
export function listQuery(query) {
  const given = [...FILTERS, 'marker'].flatMap((name) => (query[name] ? [[name, query[name]]] : []))
  return new URLSearchParams(/** @type {[string, string][]} */ ([...given, ['limit', PAGE]])).toString()
}

/** Filters of a project's orders; they stand in the address, so that a filtered list can be passed on. @param {Context} context @param {string} projectId */
export function filterForm({ route: { query } }, projectId) {
  const states = STATES.some(([value]) => value === (query.state ?? ''))
    ? STATES
    : [...STATES, [query.state ?? '', query.state ?? '']]
  const shown = (time = '') => localTime(Date.parse(time))
  /** @param {SubmitEvent} event */
  const submit = (event) => {
    event.preventDefault()
    const form = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget))
    const values = [...form].map(([name, value]) => [name, asAsked(name, String(value).trim())])
    location.hash = projectLink(projectId, Object.fromEntries(values))
  }
  return html`
    <form class="filters" onSubmit=${submit} aria-label="Filter orders">
      <label>
        State
        <select name="state" value=${query.state ?? ''}>
          ${states.map(([value, name]) => html`<option value=${value}>${name}</option>`)}
        </select>
      </label>
      <label>Order id <input name="request_id" value=${query.request_id ?? ''} autocomplete="off" /></label>
      <label>Error code <input name="error_code" value=${query.error_code ?? ''} autocomplete="off" /></label>
      <label>Correlation id <input name="correlation_id" value=${query.correlation_id ?? ''} autocomplete="off" /></label>
      <label>After <input name="created_after" type="datetime-local" value=${shown(query.created_after)} /></label>
      <label>Before <input name="created_before" type="datetime-local" value=${shown(query.created_before)} /></label>
      <button type="submit">Filter</button>
      <a href=${projectLink(projectId)}>All</a>
    </form>
  `
}

/** Times are local in the form, RFC 3339 in the address. @param {string} name @param {string} value */
function asAsked(name, value) {
  return name.startsWith('created_') && value !== '' ? new Date(value).toISOString() : value
}
