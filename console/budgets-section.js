// @ts-check
import { limitProject, pauseAll, pauseProject, resumeAll, resumeProject } from './actions.js'
import { mayOperate } from './context.js'
import { ahead, lasting } from './duration.js'
import { html } from './html.js'
import { projectLink } from './route.js'
import { number, plural, section } from './section.js'
import { table } from './table.js'
import { closedBy } from './words.js'

/**
 * @import { Context } from './context.js'
 * @import { Overview } from './replies.ts'
 * @import { Column } from './table.js'
 * @import { View } from './html.js'
 */

/** @typedef {Overview['budgets']['projects'][number]} Project */
/** @typedef {Overview['budgets']['credentials'][number]} Credential */

/** @param {Context} context @param {Overview} overview @param {number} [most] projects shown */
export function budgetsSection(context, { budgets }, most = budgets.projects.length) {
  const { paused, totals, credentials } = budgets
  const shown = budgets.projects.slice(0, most)
  const operates = mayOperate(context.caller)
  return section({
    id: 'budgets',
    title: 'What of the call limits is used?',
    answer: paused ? pausedSentence(paused, context.now) : totalsSentence(totals),
    ...(paused || totals.closed > 0 ? { tone: 'watch' } : {}),
    actions:
      operates &&
      html`
        <button onClick=${() => context.begin(paused ? resumeAll() : pauseAll())}>
          ${paused ? 'Resume all…' : 'Pause all…'}
        </button>
      `,
    body: html`
      ${projectTable(context, shown)}
      ${
        credentials.length > 0 &&
        html`<h3>Shared by the projects of a credential</h3>${credentialTable(context, credentials.slice(0, most))}`
      }
    `,
    more:
      totals.projects > shown.length
        ? { href: '#/projects', text: `All ${plural(totals.projects, 'project')}` }
        : null,
  })
}

/** @param {NonNullable<Overview['budgets']['paused']>} paused @param {number} now */
function pausedSentence({ since, until, who, reason }, now) {
  return html`
    Everything is paused for ${lasting(since, now)}, by ${who}: “${reason}”.
    ${until === null ? ' It stays so until somebody resumes.' : html` It ends ${ahead(until, now)}.`}
  `
}

/** @param {Overview['budgets']['totals']} totals */
function totalsSentence({ projects, waiting, closed, paused, overridden }) {
  if (projects === 0) return 'No project has ordered lately.'
  const parts = [
    waiting > 0 ? `${number(waiting)} with orders that wait for a call` : 'nobody waits for a call',
    ...(closed > 0 ? [`${number(closed)} closed`] : []),
    ...(paused > 0 ? [`${number(paused)} paused`] : []),
    ...(overridden > 0 ? [`${number(overridden)} with a limit set by a person`] : []),
  ]
  return `${plural(projects, 'project')}: ${parts.join(', ')}.`
}

/** @param {Context} context @param {readonly Project[]} rows */
export function projectTable(context, rows) {
  const { now, begin, caller } = context
  /** @type {Column<Project>[]} */
  const columns = [
    {
      head: 'Project',
      kind: 'name',
      cell: ({ project_id }) => html`<a href=${projectLink(project_id)}>${project_id}</a>`,
    },
    { head: 'Used', cell: ({ used_share }) => used(used_share) },
    { head: 'Limit', cell: ({ rate, burst }) => `${number(rate)}/s, ${number(burst)} at once` },
    { head: 'State', kind: 'wide', cell: (project) => stateOf(project, now) },
  ]
  if (mayOperate(caller)) {
    columns.push({
      head: 'Actions',
      kind: 'act',
      cell: (project) => html`
        <button aria-label=${`Set the limit of ${project.project_id}`} onClick=${() => begin(limitProject(project))}>
          Limit…
        </button>
        ${
          project.paused
            ? html`<button aria-label=${`Resume ${project.project_id}`} onClick=${() => begin(resumeProject(project.project_id))}>Resume…</button>`
            : html`<button aria-label=${`Pause ${project.project_id}`} onClick=${() => begin(pauseProject(project.project_id))}>Pause…</button>`
        }
      `,
    })
  }
  return table({
    caption: 'Call limits by project',
    columns,
    rows,
    keyOf: ({ project_id }) => project_id,
    empty: 'No project has a call limit in use.',
  })
}

/** @param {Context} context @param {readonly Credential[]} rows */
function credentialTable({ now }, rows) {
  return table({
    caption: 'Call limits by credential',
    /** @type {Column<Credential>[]} */
    columns: [
      { head: 'Credential', kind: 'name', cell: ({ credential_id }) => credential_id },
      { head: 'Used', cell: ({ used_share }) => (used_share === null ? 'no limit' : used(used_share)) },
      { head: 'Projects', kind: 'number', cell: ({ projects }) => number(projects) },
      { head: 'State', kind: 'wide', cell: (credential) => closedState(credential, now) ?? 'open' },
    ],
    rows,
    keyOf: ({ credential_id }) => credential_id,
    empty: 'None.',
  })
}

/** @param {number} share of the calls that may be made at once, 0 to 1 */
function used(share) {
  const percent = Math.round(share * 100)
  return html`<span class="used"><meter min="0" max="1" value=${share}>${percent} %</meter> ${percent} %</span>`
}

/** @type {(project: Project, now: number) => View} */
function stateOf(project, now) {
  const { paused, paused_until, overridden, override_until } = project
  const closed = closedState(project, now)
  const ends = (/** @type {string | null} */ until) => until !== null && html`, ends ${ahead(until, now)}`
  return html`
    ${paused && html`<span class="watch">paused${ends(paused_until)}</span>`}
    ${paused && closed !== null && '; '}${closed}
    ${!paused && closed === null && 'open'}
    ${overridden && html`<span class="quiet">; limit set by a person${ends(override_until)}</span>`}
  `
}

/** @type {(bucket: Pick<Project, 'closed_reason' | 'closed_until'>, now: number) => View} */
function closedState({ closed_reason, closed_until }, now) {
  if (closed_reason === null) return null
  const next = closed_until === null ? 'now' : ahead(closed_until, now)
  return html`<span class="bad">closed: ${closedBy(closed_reason)}</span><span class="quiet">, next try ${next}</span>`
}
