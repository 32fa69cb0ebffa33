// @ts-check
import { lasting } from './duration.js'
import { html } from './html.js'
import { linkTo } from './route.js'
import { plural, section } from './section.js'

/** @import { Context } from './context.js' @import { Overview } from './replies.ts' */

/** Where what is behind a trouble stands. @type {Readonly<Record<Overview['troubles'][number]['code'], string>>} */
const PARTS = {
  role_missing: 'replicas',
  replica_silent: 'replicas',
  duty_overdue: 'replicas',
  outbox_stuck: 'flow',
  polls_fail: 'flow',
  broker_unreachable: 'flow',
  credential_refused: 'budgets',
  projects_closed: 'budgets',
  paused: 'budgets',
  uncertain: 'uncertain',
  dead_letters: 'letters',
}

/** @param {Context} context @param {Overview} overview @param {boolean} isCurrent whether it is how things stand now */
export function statusSection({ now }, { troubles }, isCurrent) {
  const broken = troubles.filter(({ severity }) => severity === 'broken').length
  const known = verdict(broken, troubles.length - broken)
  return section({
    id: 'status',
    title: 'Is anything broken?',
    answer: html`<span role="status">${isCurrent ? known : `It is not known now. Before: ${known}`}</span>`,
    tone: broken > 0 || !isCurrent ? 'bad' : troubles.length > 0 ? 'watch' : 'good',
    body:
      troubles.length === 0
        ? null
        : html`
            <ul class="troubles">
              ${troubles.map(
                ({ severity, code, message, since }) => html`
                  <li key=${code + message} class=${severity}>
                    <strong>${severity === 'broken' ? 'Broken' : 'Watch'}</strong>
                    <a href=${linkTo([], { part: PARTS[code] })}>${message}</a>
                    ${since && html`<span class="quiet"> for ${lasting(since, now)}</span>`}
                  </li>
                `,
              )}
            </ul>
          `,
  })
}

/** @param {number} broken @param {number} watched */
function verdict(broken, watched) {
  if (broken === 0 && watched === 0) return 'No. All is well.'
  if (broken === 0) return `No. ${plural(watched, 'thing needs', 'things need')} watching.`
  const more = watched === 0 ? '' : `, ${watched} more to watch`
  return `Yes: ${plural(broken, 'thing is', 'things are')} broken${more}.`
}
