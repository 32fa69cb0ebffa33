// @ts-check
import { describeFlow, lately } from './flow.js'
import { html } from './html.js'
import { Plot } from './plot.js'
import { number, section } from './section.js'

/** @import { Context } from './context.js' @import { Overview } from './replies.ts' */

/** @param {Context} context @param {Overview} overview */
export function flowSection({ now }, overview) {
  const { rates } = overview
  const { tone, text } = describeFlow(overview, now)
  const ended = rates.running.map((count, step) => count + (rates.failed[step] ?? 0))
  const failed = lately(rates.failed)
  /** @type {(name: string, series: readonly number[], plots: object[], note?: string) => import('./html.js').View} */
  const figure = (name, series, plots, note = '') => html`
    <figure>
      <figcaption>
        <strong>${name}</strong>
        <span><b>${number(lately(series))}</b> in the last minute${note}</span>
        <span class="unseen">, ${number(lately(series, series.length))} in 15 minutes</span>
      </figcaption>
      <${Plot} from=${Date.parse(rates.from) / 1000} step=${rates.step_seconds} series=${plots} />
    </figure>
  `
  const calm = (/** @type {readonly number[]} */ values) => [{ values, tone: 'calm' }]
  return section({
    id: 'flow',
    title: 'Is work flowing?',
    answer: text,
    ...(tone === undefined ? {} : { tone }),
    body: html`
      <div class="plots">
        ${figure('Orders accepted', rates.accepted, calm(rates.accepted))}
        ${figure('Orders sent to CloudDC', rates.dispatched, calm(rates.dispatched))}
        ${figure(
          'Orders ended',
          ended,
          [
            { values: ended, tone: 'bad' },
            { values: rates.running, tone: 'calm' },
          ],
          failed === 0 ? '' : `, ${number(failed)} failed`,
        )}
        ${figure('Events published', rates.published, calm(rates.published))}
      </div>
    `,
  })
}
