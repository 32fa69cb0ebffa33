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
  const text = (/** @type {string} */ name, /** @type {string} */ label) =>
    html`<label>${label} <input name=${name} defaultValue=${query[name] ?? ''} autocomplete="off" /></label>`
  const time = (/** @type {string} */ name, /** @type {string} */ label) => {
    const shown = localTime(Date.parse(query[name] ?? ''))
    return html`<label>${label} <input name=${name} type="datetime-local" defaultValue=${shown} /></label>`
  }
  /** @param {SubmitEvent} event */
  const submit = (event) => {
    event.preventDefault()
    const form = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget))
    const values = [...form].map(([name, value]) => [name, asAsked(name, String(value).trim())])
    location.hash = projectLink(projectId, Object.fromEntries(values))
  }
  // A form of its own for each address; what is typed into it stays while the page is drawn again.
  return html`
    <form key=${projectLink(projectId, query)} class="filters" onSubmit=${submit} aria-label="Filter orders">
      <label>
        State
        <select name="state">
          ${states.map(
            ([value, name]) =>
              html`<option value=${value} selected=${value === (query.state ?? '')}>${name}</option>`,
          )}
        </select>
      </label>
      ${text('request_id', 'Order id')}
      ${text('error_code', 'Error code')}
      ${text('correlation_id', 'Correlation id')}
      ${time('created_after', 'After')}
      ${time('created_before', 'Before')}
      <button type="submit">Filter</button>
      <a href=${projectLink(projectId)}>All</a>
    </form>
  `
}

/** Times are local in the form, RFC 3339 in the address. @param {string} name @param {string} value */
function asAsked(name, value) {
  return name.startsWith('created_') && value !== '' ? new Date(value).toISOString() : value
}
