// @ts-check
import { clock } from './duration.js'
import { html } from './html.js'
import { number } from './section.js'
import { shownOnce } from './shown-once.js'

/** @import { Page } from './context.js' @import { Run } from './replies.ts' */

const LOOK_MS = 1000

/** @type {Readonly<Record<Run['kind'], string>>} */
const KINDS = { dead_letters: 'Replay of dead letters', events: 'Replay of events' }

/** How far a replay has come. @param {string} id @returns {Page} */
export function runPage(id) {
  const path = `operations/runs/${encodeURIComponent(id)}`
  return {
    title: 'Replay',
    wants: { [path]: LOOK_MS },
    view: ({ get, now }) =>
      shownOnce(get(path), (body) => {
        const run = /** @type {Run} */ (body)
        const { kind, state, params, total, done, passed_over, per_second, error } = run
        return html`
          <h1>${KINDS[kind]}</h1>
          <section class="part" aria-labelledby="run-title">
            <h2 id="run-title" role="status">${state}</h2>
            ${error && html`<p class=${state === 'failed' ? 'bad' : 'watch'}>${error}</p>`}
            ${total !== null && html`<progress max=${Math.max(total, 1)} value=${done + passed_over}></progress>`}
            <dl class="facts">
              <div><dt>sent again</dt><dd>${number(done)}${total !== null && ` of ${number(total)} looked at`}</dd></div>
              ${kind === 'dead_letters' && html`<div><dt>left in the queue</dt><dd>${number(passed_over)}</dd></div>`}
              <div><dt>per second</dt><dd>${number(per_second)}</dd></div>
              <div><dt>asked for</dt><dd>${clock(run.created_at, now)}</dd></div>
              ${run.finished_at && html`<div><dt>ended</dt><dd>${clock(run.finished_at, now)}</dd></div>`}
              ${Object.entries(params).map(
                ([name, value]) =>
                  html`<div><dt>${name.replaceAll('_', ' ')}</dt><dd>${String(value)}</dd></div>`,
              )}
            </dl>
          </section>
        `
      }),
  }
}
