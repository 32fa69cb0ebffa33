// @ts-check
import { duration } from './duration.js'
import { number, plural } from './section.js'

/** @import { Overview } from './replies.ts' */

/** Steps of a minute. */
const MINUTE = 6
/** Work that waits for longer than this without anything happening does not flow, in milliseconds. */
const PATIENCE_MS = 60_000

/** The sum of the last steps. @param {readonly number[]} series @param {number} [steps] */
export const lately = (series, steps = MINUTE) => series.slice(-steps).reduce((sum, count) => sum + count, 0)

/**
 * Whether work is flowing, in words. Pure.
 * @param {Pick<Overview, 'rates' | 'open'>} overview
 * @param {number} now milliseconds since 1970
 * @returns {{ tone: 'bad' | 'watch' | undefined, text: string }}
 */
export function describeFlow({ rates, open }, now) {
  const minute = {
    accepted: lately(rates.accepted),
    dispatched: lately(rates.dispatched),
    ended: lately(rates.running) + lately(rates.failed),
  }
  if (open.events > 0 && open.oldest_event_at !== null && lately(rates.published) === 0) {
    const held = now - Date.parse(open.oldest_event_at)
    if (held > PATIENCE_MS) {
      const text = `Events do not get out: ${plural(open.events, 'waits', 'wait')}, the first for ${duration(held)}.`
      return { tone: 'bad', text }
    }
  }
  const underWay = [
    `${number(open.queued)} waiting`,
    ...(open.provisioning > 0 ? [`${number(open.provisioning)} booting`] : []),
    ...(open.uncertain > 0 ? [`${number(open.uncertain)} uncertain`] : []),
  ].join(', ')
  const more = open.capped ? ', or more' : ''
  if (open.queued > 0 && minute.dispatched === 0) {
    const idle = stepsSinceLast(rates.dispatched) * rates.step_seconds * 1000
    const since = idle === 0 ? 'for a quarter of an hour' : `for ${duration(idle)}`
    return { tone: 'watch', text: `No order was sent to CloudDC ${since}. Now ${underWay}${more}.` }
  }
  const idle = minute.accepted + minute.dispatched + minute.ended === 0
  if (idle && open.queued + open.dispatching + open.uncertain + open.provisioning === 0)
    return { tone: undefined, text: 'There is nothing to do: no order is open.' }
  const text =
    `In the last minute ${number(minute.accepted)} orders came, ${number(minute.dispatched)} were sent to CloudDC, ` +
    `${number(minute.ended)} ended. Now ${underWay}${more}.`
  return { tone: undefined, text }
}

/** Steps at the end without anything; 0 where there never was anything. @param {readonly number[]} series */
function stepsSinceLast(series) {
  const last = series.findLastIndex((count) => count > 0)
  return last < 0 ? 0 : series.length - 1 - last
}
