// @ts-check
import { adoptInstances, cancelRequest, voidAttempt } from './actions.js'
import { mayCancel, mayOperate } from './context.js'
import { clock } from './duration.js'
import { html } from './html.js'
import { servers, stateMark, why } from './orders-table.js'
import { replayEvents } from './replay-actions.js'
import { projectLink } from './route.js'
import { number } from './section.js'
import { shownOnce } from './shown-once.js'
import { table } from './table.js'
import { timeline } from './timeline.js'

/** @import { Context, Page } from './context.js' @import { History, Status } from './replies.ts' */

const STATUS_MS = 2000
const HISTORY_MS = 4000

/** One order: what it is, and all that happened to it. @param {string} projectId @param {string} requestId @returns {Page} */
export function requestPage(projectId, requestId) {
  const base = `v1/${encodeURIComponent(projectId)}/provision-requests/${encodeURIComponent(requestId)}`
  return {
    title: requestId,
    wants: { [base]: STATUS_MS, [`${base}/history`]: HISTORY_MS },
    view: (context) => {
      const history = context.get(`${base}/history`)
      return html`
        <h1><a href=${projectLink(projectId)}>${projectId}</a> / ${requestId}</h1>
        ${shownOnce(context.get(base), (body) => {
          const status = /** @type {Status} */ (body)
          return html`
            ${statusPart(context, status, /** @type {History | undefined} */ (history.body))}
            ${status.instances.length > 0 && instancesPart(context, status)}
            ${shownOnce(history, (found) => timeline(context, status, /** @type {History} */ (found)))}
          `
        })}
      `
    },
  }
}

/** @param {Context} context @param {Status} status @param {History | undefined} history */
function statusPart(context, status, history) {
  const { now } = context
  const reason = why(status, now)
  return html`
    <section class="part" aria-labelledby="status-title">
      <div class="part-head">
        <h2 id="status-title">${stateMark(status.state)}</h2>
        ${requestActions(context, status, history)}
      </div>
      ${reason && html`<p class="answer">${reason}</p>`}
      <dl class="facts">
        <div><dt>servers running</dt><dd>${servers(status.counts)}</dd></div>
        <div><dt>name</dt><dd>${status.name}</dd></div>
        <div><dt>accepted</dt><dd>${clock(status.created_at, now)}</dd></div>
        ${status.dispatched_at && html`<div><dt>ordered</dt><dd>${clock(status.dispatched_at, now)}</dd></div>`}
        ${status.completed_at && html`<div><dt>ended</dt><dd>${clock(status.completed_at, now)}</dd></div>`}
        ${status.deadline && html`<div><dt>deadline</dt><dd>${clock(status.deadline, now)}</dd></div>`}
        <div><dt>calls that may have arrived</dt><dd>${number(status.attempts)}</dd></div>
        <div><dt>priority</dt><dd>${status.priority}</dd></div>
        ${status.correlation_id && html`<div><dt>correlation id</dt><dd>${status.correlation_id}</dd></div>`}
      </dl>
    </section>
  `
}

/** @param {Context} context @param {Status} status @param {History | undefined} history */
function requestActions({ caller, begin }, { project_id, request_id, state, created_at }, history) {
  const operates = mayOperate(caller)
  const attempt = history?.history.findLast((entry) => entry.kind === 'attempt')
  const found = foundBy(attempt?.evidence)
  return html`
    <span class="buttons">
      ${
        state === 'queued' &&
        mayCancel(caller, project_id) &&
        html`<button onClick=${() => begin(cancelRequest(project_id, request_id))}>Cancel…</button>`
      }
      ${
        state === 'uncertain' &&
        operates &&
        html`
          <button onClick=${() => begin(adoptInstances(project_id, request_id, found))}>Adopt servers…</button>
          <button onClick=${() => begin(voidAttempt(project_id, request_id))}>Nothing was created…</button>
        `
      }
      ${operates && html`<button onClick=${() => begin(replayEvents(project_id, request_id, created_at))}>Send events again…</button>`}
    </span>
  `
}

/** Instances that the looks of an attempt have found. @param {unknown} evidence @returns {string[]} */
function foundBy(evidence) {
  const { reconciling } = /** @type {{ reconciling?: { found?: string[] } }} */ (evidence ?? {})
  return reconciling?.found ?? []
}

/** @param {Context} context @param {Status} status */
function instancesPart({ now }, { instances }) {
  return html`
    <section class="part" aria-labelledby="instances-title">
      <h2 id="instances-title">Servers</h2>
      ${table({
        caption: 'Instances of this order',
        /** @type {import('./table.js').Column<Status['instances'][number]>[]} */
        columns: [
          { head: 'Instance', cell: ({ id, name }) => html`${name ?? ''} <code>${id}</code>` },
          { head: 'State', cell: ({ state }) => stateMark(state) },
          {
            head: 'Server',
            cell: ({ server_id }) => (server_id === null ? 'not known yet' : html`<code>${server_id}</code>`),
          },
          { head: 'Known since', cell: ({ created_at }) => clock(created_at, now) },
          {
            head: 'Running since',
            cell: ({ running_at }) => (running_at === null ? '' : clock(running_at, now)),
          },
          {
            head: 'Why',
            kind: 'wide',
            cell: ({ error }) => error && html`<code>${error.code}</code> ${error.message}`,
          },
        ],
        rows: instances,
        keyOf: ({ id }) => id,
        empty: 'None yet.',
      })}
    </section>
  `
}
