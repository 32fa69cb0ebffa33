// @ts-check
import { html } from './html.js'
import { requestLink } from './route.js'

/** An order of any project, by both of its ids. @param {{ project_id: string, request_id: string }} order */
export function orderLink({ project_id, request_id }) {
  return html`<a href=${requestLink(project_id, request_id)}>${project_id} / ${request_id}</a>`
}
