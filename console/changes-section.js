// @ts-check
import { ahead, clock } from './duration.js'
import { html } from './html.js'
import { linkTo, projectLink, requestLink } from './route.js'
import { section } from './section.js'
import { table } from './table.js'
import { didWhat } from './words.js'

/** @import { Context } from './context.js' @import { Audit, Overview } from './replies.ts' */

/** @typedef {Audit['entries'][number]} Change */

/** @param {Context} context @param {Overview} overview @param {number} most entries shown */
export function changesSection({ now }, { changes }, most) {
  const shown = changes.slice(0, most)
  return section({
    id: 'changes',
    title: 'What did people change?',
    answer: shown.length === 0 ? 'Nothing so far.' : 'The last changes:',
    body: shown.length === 0 ? null : changesTable(shown, now),
    more: shown.length > 0 ? { href: '#/changes', text: 'All changes' } : null,
  })
}

/** @param {readonly Change[]} rows @param {number} now */
export function changesTable(rows, now) {
  return table({
    caption: 'Changes by people, newest first',
    /** @type {import('./table.js').Column<Change>[]} */
    columns: [
      { head: 'When', cell: ({ at }) => clock(at, now) },
      { head: 'Who', kind: 'name', cell: ({ who }) => who },
      { head: 'What', kind: 'wide', cell: (change) => whatChanged(change, now) },
      { head: 'Why', kind: 'wide', cell: ({ reason }) => reason },
    ],
    rows,
    keyOf: ({ id }) => id,
    empty: 'Nobody has changed anything.',
  })
}

/** @param {Change} change @param {number} now */
function whatChanged({ verb, project_id, target, before, after, until }, now) {
  const isRun = verb.endsWith('.replay') && target !== null
  return html`
    ${didWhat(verb)}${' '}
    ${project_id === null && !isRun ? (target ?? 'all projects') : ''}
    ${project_id !== null && html`<a href=${projectLink(project_id)}>${project_id}</a>`}
    ${
      verb === 'resolve' &&
      project_id !== null &&
      target !== null &&
      html` / <a href=${requestLink(project_id, target)}>${target}</a>`
    }
    ${isRun && html`(<a href=${linkTo(['run', target])}>the run</a>)`}
    <span class="quiet">${difference(before, after)}${until && html`, ends ${ahead(until, now)}`}</span>
  `
}

/** They have columns of their own. */
const TOLD_BESIDE = new Set(['reason', 'since', 'until', 'who'])

/**
 * What a change was about, in one line: `per_second 5 → 2, burst 10 → 4`.
 * @param {Change['before']} before @param {Change['after']} after
 */
export function difference(before, after) {
  const members = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])
  const names = [...members.difference(TOLD_BESIDE)]
  const parts = names.flatMap((name) => {
    const [was, is] = [shown(before?.[name]), shown(after?.[name])]
    if (was === is) return []
    if (was === null) return `${name} ${is}`
    return `${name} ${was} → ${is ?? 'none'}`
  })
  return parts.length === 0 ? '' : ` ${parts.join(', ')}`
}

/** @param {unknown} value */
function shown(value) {
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}
