// @ts-check
import { html } from './html.js'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/**
 * A length of time in at most two units: `a moment`, `12 s`, `3 min`, `2 h 5 min`, `4 d 2 h`.
 * @param {number} milliseconds below 0 counts as 0
 */
export function duration(milliseconds) {
  const length = Math.max(0, milliseconds)
  if (length < SECOND) return 'a moment'
  if (length < MINUTE) return `${Math.floor(length / SECOND)} s`
  if (length < HOUR) return `${Math.floor(length / MINUTE)} min`
  if (length < DAY) return twoUnits(length, HOUR, 'h', MINUTE, 'min')
  return twoUnits(length, DAY, 'd', HOUR, 'h')
}

/** @type {(length: number, large: number, largeName: string, small: number, smallName: string) => string} */
function twoUnits(length, large, largeName, small, smallName) {
  const rest = Math.floor((length % large) / small)
  const whole = `${Math.floor(length / large)} ${largeName}`
  return rest === 0 ? whole : `${whole} ${rest} ${smallName}`
}

/**
 * How long ago a time was, exact on hovering.
 * @param {string} time RFC 3339
 * @param {number} now milliseconds since 1970, by the service's clock
 */
export function ago(time, now) {
  const passed = now - Date.parse(time)
  return timed(time, passed < SECOND ? 'just now' : `${duration(passed)} ago`)
}

/**
 * For how long something has lasted.
 * @param {string} time RFC 3339
 * @param {number} now milliseconds since 1970
 */
export function lasting(time, now) {
  return timed(time, duration(now - Date.parse(time)))
}

/**
 * When something is due: `in 12 s`; what is over is due now.
 * @param {string} time RFC 3339
 * @param {number} now milliseconds since 1970
 */
export function ahead(time, now) {
  const left = Date.parse(time) - now
  return timed(time, left < SECOND ? 'now' : `in ${duration(left)}`)
}

/**
 * The time of day, with the date where it was another day.
 * @param {string} time RFC 3339
 * @param {number} now milliseconds since 1970
 */
export function clock(time, now) {
  const at = new Date(time)
  const sameDay = at.toDateString() === new Date(now).toDateString()
  return timed(time, sameDay ? at.toLocaleTimeString('en-GB') : at.toLocaleString('en-GB'))
}

/**
 * As an input of the type datetime-local has it; empty for what is no time.
 * @param {number} time milliseconds since 1970
 */
export function localTime(time) {
  if (Number.isNaN(time)) return ''
  const minutesWest = new Date(time).getTimezoneOffset()
  return new Date(time - minutesWest * 60_000).toISOString().slice(0, 16)
}

/** @type {(time: string, text: string) => import('./html.js').View} */
function timed(time, text) {
  return html`<time datetime=${time} title=${time}>${text}</time>`
}
