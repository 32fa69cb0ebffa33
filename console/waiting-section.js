// @ts-check
import { ahead, lasting } from './duration.js'
import { html } from './html.js'
import { projectLink, requestLink } from './route.js'
import { number, plural, section } from './section.js'
import { table } from './table.js'
import { waitsFor } from './words.js'

/**
 * @import { Context } from './context.js'
 * @import { Overview } from './replies.ts'
 * @import { Column } from './table.js'
 */

/** @typedef {Overview['waiting']['rows'][number]} Row */

/** @param {Context} context @param {Overview} overview @param {number} [most] rows shown */
export function waitingSection({ now }, { waiting }, most = waiting.rows.length) {
  const shown = waiting.rows.slice(0, most)
  const waits = waiting.by_reason.map(({ count, reason }) => `${number(count)} for ${waitsFor(reason)}`)
  return section({
    id: 'waiting',
    title: 'Who waits, and for what?',
    answer: waits.length === 0 ? 'Nobody.' : `${sentence(waits)}.`,
    body: waiting.rows.length === 0 ? null : waitingTable(shown, now),
    more:
      waiting.total > shown.length
        ? { href: '#/waiting', text: `All ${plural(waiting.total, 'line')}` }
        : null,
  })
}

/** @param {readonly Row[]} rows @param {number} now */
function waitingTable(rows, now) {
  /** @type {Column<Row>[]} */
  const columns = [
    {
      head: 'Project',
      kind: 'name',
      cell: ({ project_id }) =>
        html`<a href=${projectLink(project_id, { state: 'queued,uncertain' })}>${project_id}</a>`,
    },
    { head: 'Orders', kind: 'number', cell: ({ count, capped }) => `${number(count)}${capped ? '+' : ''}` },
    {
      head: 'Waits for',
      kind: 'wide',
      cell: ({ reason, detail }) =>
        html`${waitsFor(reason)}${detail && html`<span class="quiet">: ${detail}</span>`}`,
    },
    {
      head: 'Next try',
      cell: ({ reason, until }) =>
        until !== null ? ahead(until, now) : reason === 'paused' ? 'when resumed' : 'not known',
    },
    {
      head: 'Longest',
      cell: ({ project_id, oldest }) => html`
        <a href=${requestLink(project_id, oldest.request_id)} title=${oldest.request_id}>
          ${lasting(oldest.created_at, now)}
        </a>
      `,
    },
  ]
  return table({
    caption: 'What requests wait for, by project',
    columns,
    rows,
    keyOf: ({ project_id, reason }) => `${project_id} ${reason}`,
    empty: 'Nobody waits.',
  })
}

/** Joined, with a capital letter. @param {readonly string[]} parts */
function sentence(parts) {
  const text = parts.join(', ')
  return text.charAt(0).toUpperCase() + text.slice(1)
}
