// @ts-check

import { mayOperate } from './context.js'
import { duration } from './duration.js'
import { html } from './html.js'
import { PLACES } from './pages.js'
import { linkTo, projectLink, requestLink } from './route.js'

/**
 * @import { Caller } from './replies.ts'
 * @import { Resource } from './follow.js'
 * @import { View } from './html.js'
 * @import { Route } from './route.js'
 */

/**
 * What stands around every page: where one may go, who one is, and whether what is shown is up to date.
 * @param {object} parts
 * @param {Route} parts.route
 * @param {Caller} parts.caller
 * @param {readonly Resource[]} parts.resources of the page
 * @param {string} parts.notice what was done last
 * @param {() => void} parts.signOut
 * @param {View} parts.page
 */
export function frame({ route, caller, resources, notice, signOut, page }) {
  return html`
    <a class="skip" href="#main" onClick=${skip}>To the content</a>
    <header class="bar">
      <strong class="brand">CloudDC provisioner</strong>
      ${mayOperate(caller) && places(route)}
      ${findForm()}
      <span class="who">
        ${caller.id}
        ${caller.expires_at !== null && html`<button class="plain" onClick=${signOut}>Sign out</button>`}
      </span>
    </header>
    <p class="notice" role="status">${notice}</p>
    ${outage(resources)}
    <main id="main" tabindex="-1">${page}</main>
  `
}

/** @param {Route} route */
function places({ path: [here = ''] }) {
  return html`
    <nav aria-label="Places">
      ${PLACES.map(
        ([path, name]) => html`
          <a href=${linkTo(path === '' ? [] : [path])} aria-current=${path === here ? 'page' : undefined}>${name}</a>
        `,
      )}
    </nav>
  `
}

/** Leads to a project, or to one of its orders. */
function findForm() {
  /** @param {SubmitEvent} event */
  const submit = (event) => {
    event.preventDefault()
    const form = /** @type {HTMLFormElement} */ (event.currentTarget)
    const text = String(new FormData(form).get('find') ?? '').trim()
    const [project = '', request = ''] = text.split(/\s*[/\s]\s*/)
    if (project === '') return
    location.hash = request === '' ? projectLink(project) : requestLink(project, request)
    form.reset()
  }
  return html`
    <form class="find" role="search" onSubmit=${submit}>
      <input name="find" aria-label="Project, or project / order" placeholder="project / order" autocomplete="off" />
      <button type="submit">Open</button>
    </form>
  `
}

/** Says so where what is shown is not up to date. @param {readonly Resource[]} resources */
function outage(resources) {
  const failing = resources.find(({ error, body }) => error !== null && body !== undefined)
  const { error, failingSince } = failing ?? {}
  return html`
    <div role="alert">
      ${
        error &&
        html`
          <p class="outage">
            ${sentence(error.message)} What is shown is ${duration(Date.now() - (failingSince ?? Date.now()))} old; it is asked again.
          </p>
        `
      }
    </div>
  `
}

/** @param {string} words */
const sentence = (words) => `${words.charAt(0).toUpperCase()}${words.slice(1).replace(/\.$/, '')}.`

/** The address of the page is in the hash: a link within the page must not change it. @param {Event} event */
function skip(event) {
  event.preventDefault()
  document.getElementById('main')?.focus()
}
