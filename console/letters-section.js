// @ts-check
import { mayOperate } from './context.js'
import { ago } from './duration.js'
import { html } from './html.js'
import { replayLetters } from './replay-actions.js'
import { linkTo } from './route.js'
import { number, plural, section } from './section.js'
import { table } from './table.js'
import { letterCode } from './words.js'

/** @import { Context } from './context.js' @import { Overview } from './replies.ts' */

/** @typedef {Overview['dead_letters']['by_code'][number]} Row */

/** @param {Context} context @param {Overview} overview @param {number} most codes shown */
export function lettersSection({ now, caller, begin }, { dead_letters: letters }, most) {
  const { in_queue, by_code } = letters
  /** @type {import('./table.js').Column<Row>[]} */
  const columns = [
    {
      head: 'Rejected because',
      kind: 'wide',
      cell: ({ code }) =>
        html`<a href=${linkTo(['dead-letters'], { code })}>${letterCode(code)}</a> <code>${code}</code>`,
    },
    { head: 'Letters', kind: 'number', cell: ({ count, capped }) => `${number(count)}${capped ? '+' : ''}` },
    { head: 'Newest', cell: ({ newest_at }) => ago(newest_at, now) },
  ]
  if (mayOperate(caller)) {
    columns.push({
      head: 'Actions',
      kind: 'act',
      cell: ({ code, count }) =>
        html`<button aria-label=${`Replay ${code}`} onClick=${() => begin(replayLetters(code, count))}>Replay…</button>`,
    })
  }
  return section({
    id: 'letters',
    title: 'Are dead letters piling up?',
    answer:
      in_queue === null
        ? 'The broker does not say how many there are.'
        : in_queue === 0
          ? 'No: the queue of dead letters is empty.'
          : `${plural(in_queue, 'letter waits', 'letters wait')} in the queue of dead letters.`,
    ...(in_queue === null || in_queue > 0 ? { tone: 'watch' } : {}),
    body:
      by_code.length === 0
        ? null
        : table({
            caption: 'Dead letters that were not replayed, by code',
            columns,
            rows: by_code.slice(0, most),
            keyOf: ({ code }) => code,
            empty: 'None.',
          }),
    more: by_code.length > 0 ? { href: '#/dead-letters', text: 'All letters' } : null,
  })
}
