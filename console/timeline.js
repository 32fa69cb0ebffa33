// @ts-check
import { ahead, clock, duration } from './duration.js'
import { evidenceView } from './evidence.js'
import { html } from './html.js'
import { plural } from './section.js'
import { timelineItems } from './timeline-items.js'
import { stateName } from './words.js'

/**
 * @import { Context } from './context.js'
 * @import { Owed } from './events-owed.js'
 * @import { Attempt, History, Status, Transition } from './replies.ts'
 * @import { Instance, Item } from './timeline-items.js'
 */

/**
 * All that happened to an order, oldest first: each change with its cause, what it rested on, the call behind it, its
 * instances, and the events that each owed.
 * @param {Context} context @param {Status} status @param {History} history
 */
export function timeline({ now }, status, { history, truncated }) {
  const items = timelineItems(history, status)
  return html`
    <section class="part" aria-labelledby="timeline-title">
      <h2 id="timeline-title">What happened</h2>
      ${truncated && html`<p class="quiet">The oldest entries of this long history are left out.</p>`}
      <ol class="timeline">
        ${items.map((item, index) => itemView(item, items[index - 1], now))}
      </ol>
    </section>
  `
}

/** @param {Item} item @param {Item | undefined} before @param {number} now */
function itemView(item, before, now) {
  const passed = before === undefined ? 0 : Date.parse(item.time) - Date.parse(before.time)
  const kind = 'instance' in item ? 'instance' : item.entry.kind
  return html`
    <li class=${kind}>
      <span class="when">
        ${clock(item.time, now)}
        ${passed >= 1000 && html`<span class="quiet"> ${duration(passed)} later</span>`}
      </span>
      <div class="what">${whatOf(item, now)}${eventsView(item.events)}</div>
    </li>
  `
}

/** @param {Item} item @param {number} now */
function whatOf(item, now) {
  if ('instance' in item) return instanceView(item.instance)
  return item.entry.kind === 'attempt' ? attemptView(item.entry, now) : changeView(item.entry)
}

/** @param {readonly Owed[]} events */
function eventsView(events) {
  if (events.length === 0) return null
  return html`
    <p class="events">
      ${plural(events.length, 'event')} owed:${' '}
      ${events.map(({ kind, subject }) => html`<code title=${subject ?? ''}>${kind}</code> `)}
    </p>
  `
}

/** @param {Instance} instance */
function instanceView({ id, name, state, error }) {
  return html`
    <p>
      <strong class=${state === 'failed' ? 'bad' : ''}>server ${name ?? ''} ${state}</strong>
      ${' '}<code>${id}</code>
      ${error && html` <code>${error.code}</code> <span class="quiet">${error.message}</span>`}
    </p>
  `
}

/** @param {Transition} change */
function changeView({ from, to, cause, evidence }) {
  const moved =
    from === to ? 'noted' : from === null ? stateName(to) : `${stateName(from)} → ${stateName(to)}`
  return html`
    <p><strong>${moved}</strong> <span class="cause">${causeName(cause)}</span></p>
    ${evidenceView(evidence)}
  `
}

/** @param {Attempt} attempt @param {number} now */
function attemptView(
  { attempt, attempt_id, state, upstream_request_id, evidence, finished_at, time, reconcile_at },
  now,
) {
  return html`
    <p>
      <strong>call ${attempt}</strong>${' '}
      <span class=${state === 'uncertain' ? 'watch' : ''}>${OUTCOMES[state]}</span>
      ${finished_at && html`<span class="quiet"> after ${duration(Date.parse(finished_at) - Date.parse(time))}</span>`}
      ${reconcile_at && html`<span class="quiet">, next look ${ahead(reconcile_at, now)}</span>`}
    </p>
    <p class="quiet">
      marker <code>${attempt_id}</code>
      ${upstream_request_id && html`; CloudDC’s id of the call <code>${upstream_request_id}</code>`}
    </p>
    ${evidenceView(evidence)}
  `
}

/** @type {Readonly<Record<Attempt['state'], string>>} */
const OUTCOMES = {
  in_flight: 'in progress',
  created: 'CloudDC took the order',
  not_created: 'proven to have created nothing',
  uncertain: 'outcome unknown: it is looked for',
  adopted: 'its servers were found',
  void: 'proven to have created nothing, by looking',
}

/** @param {string} cause */
const causeName = (cause) => cause.replaceAll('_', ' ')
