// @ts-check
import { ago, duration, lasting } from './duration.js'
import { html } from './html.js'
import { plural, section } from './section.js'
import { table } from './table.js'

/** @import { Context } from './context.js' @import { Overview } from './replies.ts' */

/** @typedef {Overview['replicas'][number]} Replica @typedef {Overview['duties'][number]} Duty */

/** @param {Context} context @param {Overview} overview */
export function replicasSection({ now }, { replicas, duties }) {
  const silent = replicas.filter((replica) => replica.silent).length
  return section({
    id: 'replicas',
    title: 'Who does the work?',
    answer: `${plural(replicas.length - silent, 'replica')}${silent > 0 ? `, ${silent} silent` : ''}.`,
    ...(silent > 0 ? { tone: 'watch' } : {}),
    body: html`
      ${table({
        caption: 'Replicas of the service',
        /** @type {import('./table.js').Column<Replica>[]} */
        columns: [
          { head: 'Replica', kind: 'name', cell: ({ id, host }) => html`<span title=${id}>${host}</span>` },
          { head: 'Version', cell: ({ version }) => version },
          {
            head: 'Roles and duties',
            kind: 'wide',
            cell: ({ id, roles }) => {
              const held = duties.filter(({ replica_id }) => replica_id === id).map(({ duty }) => duty)
              return html`${roles.join(', ')}${held.length > 0 && html`<span class="quiet">; ${held.join(', ')}</span>`}`
            },
          },
          { head: 'Up', cell: ({ since }) => lasting(since, now) },
          {
            head: 'Seen',
            cell: ({ silent: isSilent, seen_at }) =>
              isSilent ? html`<span class="bad">silent, ${ago(seen_at, now)}</span>` : ago(seen_at, now),
          },
        ],
        rows: replicas,
        keyOf: ({ id }) => id,
        empty: 'No replica is known.',
      })}
      ${overdueDuties(duties)}
    `,
  })
}

/** @param {readonly Duty[]} duties */
function overdueDuties(duties) {
  const late = duties.filter(({ overdue_seconds }) => overdue_seconds > 0)
  if (late.length === 0) return null
  const parts = late.map(({ duty, overdue_seconds }) => `${duty} by ${duration(overdue_seconds * 1000)}`)
  return html`<p class="quiet">Behind its time: ${parts.join(', ')}.</p>`
}
