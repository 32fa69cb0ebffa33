// @ts-check
import { ahead, lasting } from './duration.js'
import { html } from './html.js'
import { orderLink } from './order-link.js'
import { plural, section } from './section.js'
import { table } from './table.js'
import { verdictName } from './words.js'

/** @import { Context } from './context.js' @import { Overview } from './replies.ts' */

/** @typedef {Overview['uncertain']['sample'][number]} Row */

/** @param {Context} context @param {Overview} overview @param {number} most rows shown */
export function uncertainSection({ now }, { uncertain }, most) {
  const { count, oldest_at, sample } = uncertain
  const stuck = sample.filter(({ needs_person }) => needs_person).length
  const shown = sample.slice(0, most)
  return section({
    id: 'uncertain',
    title: 'What is uncertain, and what was found?',
    answer:
      count === 0
        ? 'Nothing: the outcome of every call is known.'
        : html`
            ${plural(count, 'call')} of unknown outcome${oldest_at && html`, the oldest for ${lasting(oldest_at, now)}`}.
            ${stuck > 0 ? ` ${plural(stuck, 'needs', 'need')} a person to decide.` : ' They are looked for.'}
          `,
    ...(stuck > 0 ? { tone: 'bad' } : count > 0 ? { tone: 'watch' } : {}),
    body:
      shown.length === 0
        ? null
        : table({
            caption: 'Calls of unknown outcome',
            /** @type {import('./table.js').Column<Row>[]} */
            columns: [
              { head: 'Order', kind: 'name', cell: orderLink },
              { head: 'For', cell: ({ since }) => lasting(since, now) },
              { head: 'Why', kind: 'name', cell: ({ cause }) => cause ?? 'no answer' },
              { head: 'Found', kind: 'wide', cell: whatWasFound },
              { head: 'Next look', cell: ({ next_look_at }) => ahead(next_look_at, now) },
            ],
            rows: shown,
            keyOf: ({ project_id, request_id }) => `${project_id}/${request_id}`,
            empty: 'None.',
          }),
    more: count > shown.length ? { href: '#/uncertain', text: `All ${plural(count, 'call')}` } : null,
  })
}

/** @param {Row} row */
function whatWasFound({ looks, found, verdict, needs_person }) {
  const seen =
    looks === 0
      ? 'not looked yet'
      : `${plural(found.length, 'server')} in ${plural(looks, 'look')}${verdict === null ? '' : `, ${verdictName(verdict)}`}`
  return needs_person ? html`<span class="bad">${seen}: a person has to decide</span>` : seen
}
