// @ts-check
import { html } from './html.js'
import { linkTo } from './route.js'

/** @import { Route } from './route.js' */

/** Links to the first and the next page of a list; back is the browser's own. @param {Route} route @param {string | null} nextMarker */
export function pager({ path, query }, nextMarker) {
  const { marker, ...filters } = query
  if (marker === undefined && nextMarker === null) return null
  return html`
    <nav class="pager" aria-label="Pages">
      ${marker !== undefined && html`<a href=${linkTo(path, filters)}>First page</a>`}
      ${nextMarker !== null && html`<a href=${linkTo(path, { ...filters, marker: nextMarker })} rel="next">Older</a>`}
    </nav>
  `
}
