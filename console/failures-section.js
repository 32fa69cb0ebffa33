// @ts-check
import { ago } from './duration.js'
import { html } from './html.js'
import { projectLink, requestLink } from './route.js'
import { number, plural, section } from './section.js'
import { table } from './table.js'

/** @import { Context } from './context.js' @import { Overview, Failures } from './replies.ts' */

/** @typedef {Failures['failures'][number]} Cause */

/** @param {Context} context @param {Overview} overview @param {number} most causes shown */
export function failuresSection({ now }, { failures }, most) {
  const { count, causes, truncated } = failures
  const shown = causes.slice(0, most)
  const causeCount = plural(causes.length, 'cause')
  return section({
    id: 'failures',
    title: 'What failed, and why?',
    answer:
      count === 0
        ? 'Nothing in the last 24 hours.'
        : `${plural(count, 'order')}${truncated ? ' or more' : ''} in the last 24 hours, for ${causeCount}.`,
    body: shown.length === 0 ? null : causesTable(shown, now),
    more: count > 0 ? { href: '#/failures', text: 'All causes, and other times' } : null,
  })
}

/** @param {readonly Cause[]} rows @param {number} now */
export function causesTable(rows, now) {
  return table({
    caption: 'Orders that failed or expired, by cause',
    /** @type {import('./table.js').Column<Cause>[]} */
    columns: [
      { head: 'Code', kind: 'name', cell: ({ code }) => html`<code>${code}</code>` },
      { head: 'Orders', kind: 'number', cell: ({ count }) => number(count) },
      { head: 'Last', cell: ({ last }) => ago(last, now) },
      {
        head: 'For example',
        kind: 'wide',
        cell: ({ sample }) =>
          html`<a href=${requestLink(sample.project_id, sample.request_id)}>${sample.message || sample.request_id}</a>`,
      },
      { head: 'Projects', cell: projectsOf },
    ],
    rows,
    keyOf: ({ code }) => code,
    empty: 'Nothing failed.',
  })
}

/** @param {Cause} cause */
function projectsOf({ code, projects, project_count }) {
  const named = projects.slice(0, 2)
  const rest = project_count - named.length
  return html`
    ${named.map(
      (project, index) => html`
        ${index > 0 && ', '}<a href=${projectLink(project, { error_code: code })}>${project}</a>
      `,
    )}
    ${rest > 0 && html`<span class="quiet"> and ${number(rest)} more</span>`}
  `
}
