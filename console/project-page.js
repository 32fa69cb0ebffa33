// @ts-check
import { limitProject, pauseProject, resumeProject } from './actions.js'
import { mayOperate } from './context.js'
import { ahead, duration, lasting } from './duration.js'
import { filterForm, listQuery } from './filter-form.js'
import { html } from './html.js'
import { ordersTable } from './orders-table.js'
import { pager } from './pager.js'
import { replayEvents } from './replay-actions.js'
import { requestLink } from './route.js'
import { number, plural } from './section.js'
import { shownOnce } from './shown-once.js'
import { closedBy, stateName } from './words.js'

/**
 * @import { Context, Page } from './context.js'
 * @import { List, Summary } from './replies.ts'
 * @import { Route } from './route.js'
 */

const LIST_MS = 2000
const SUMMARY_MS = 5000

/** A project: how it stands, and its orders, filtered. @param {string} projectId @param {Route} route @returns {Page} */
export function projectPage(projectId, route) {
  const base = `v1/${encodeURIComponent(projectId)}`
  const summaryPath = `${base}/summary`
  const listPath = `${base}/provision-requests?${listQuery(route.query)}`
  return {
    title: projectId,
    wants: { [summaryPath]: SUMMARY_MS, [listPath]: LIST_MS },
    view: (context) => html`
      <h1>${projectId}</h1>
      ${shownOnce(context.get(summaryPath), (body) => summaryPart(context, /** @type {Summary} */ (body)))}
      <section class="part" aria-labelledby="orders-title">
        <h2 id="orders-title">Orders</h2>
        ${filterForm(context, projectId)}
        ${shownOnce(context.get(listPath), (body) => {
          const { requests, next_marker } = /** @type {List} */ (body)
          return html`
            ${ordersTable(requests, context.now)}
            ${pager(route, next_marker)}
          `
        })}
      </section>
    `,
  }
}

/** @param {Context} context @param {Summary} summary */
function summaryPart(context, summary) {
  const { project_id, requests, counts_capped, bucket, queue, oldest_waiting } = summary
  const states = Object.entries(requests).filter(([, count]) => count > 0)
  return html`
    <section class="part" aria-labelledby="stands-title">
      <div class="part-head">
        <h2 id="stands-title">How it stands</h2>
        ${mayOperate(context.caller) && projectActions(context, summary)}
      </div>
      <dl class="facts">
        ${states.map(([state, count]) => html`<div><dt>${stateName(state)}</dt><dd>${number(count)}</dd></div>`)}
        ${states.length === 0 && html`<div><dt>orders</dt><dd>none</dd></div>`}
        ${bucket && bucketFacts(bucket, context.now)}
        ${queue && queueFact(queue)}
        ${
          oldest_waiting &&
          html`
            <div>
              <dt>longest waiting</dt>
              <dd>
                <a href=${requestLink(project_id, oldest_waiting.request_id)}>${oldest_waiting.request_id}</a>
                ${' '}for ${lasting(oldest_waiting.created_at, context.now)}
              </dd>
            </div>
          `
        }
      </dl>
      ${counts_capped && html`<p class="quiet">Counting has stopped early: there are more than these.</p>`}
    </section>
  `
}

/** @param {NonNullable<Summary['bucket']>} bucket @param {number} now */
function bucketFacts({ level, rate, burst, blocked_reason, blocked_until, paused }, now) {
  return html`
    <div><dt>call limit</dt><dd>${number(rate)}/s, ${number(burst)} at once; ${number(Math.max(0, level))} left now</dd></div>
    ${
      blocked_reason &&
      html`
        <div>
          <dt>closed</dt>
          <dd class="bad">${closedBy(blocked_reason)}${blocked_until && html`, next try ${ahead(blocked_until, now)}`}</dd>
        </div>
      `
    }
    ${paused && html`<div><dt>paused</dt><dd class="watch">by a person</dd></div>`}
  `
}

/** @param {NonNullable<Summary['queue']>} queue */
function queueFact({ length, seconds }) {
  const time = seconds === null ? 'nobody can know for how long' : `sent within ${duration(seconds * 1000)}`
  return html`<div><dt>queue</dt><dd>${plural(length, 'order')}, ${time}</dd></div>`
}

/** @param {Context} context @param {Summary} summary */
function projectActions({ begin }, { project_id, bucket }) {
  const { rate = 5, burst = 10, overridden = false } = bucket ?? {}
  return html`
    <span class="buttons">
      <button onClick=${() => begin(limitProject({ project_id, rate, burst, overridden }))}>Limit…</button>
      ${
        bucket?.paused
          ? html`<button onClick=${() => begin(resumeProject(project_id))}>Resume…</button>`
          : html`<button onClick=${() => begin(pauseProject(project_id))}>Pause…</button>`
      }
      <button onClick=${() => begin(replayEvents(project_id))}>Send events again…</button>
    </span>
  `
}
