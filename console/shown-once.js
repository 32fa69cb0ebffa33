// @ts-check
import { html } from './html.js'

/** @import { Resource } from './follow.js' @import { View } from './html.js' */

/**
 * What is known of an address, once it is; why not, where it cannot be had.
 * @param {Resource} resource
 * @param {(body: unknown) => View} view
 */
export function shownOnce({ body, error }, view) {
  if (body !== undefined) return view(body)
  if (error !== null) return html`<p class="bad" role="alert">${error.message}</p>`
  return html`<p class="empty">Asking the service …</p>`
}
