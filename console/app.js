// @ts-check
import { ActionDialog } from './action-dialog.js'
import { ask, askWho, messageOf } from './ask.js'
import { createFollower, NOTHING } from './follow.js'
import { frame } from './frame.js'
import { h, render } from './lib/preact.js'
import { pageAt } from './pages.js'
import { parseRoute } from './route.js'
import { SignIn } from './sign-in.js'

/**
 * @import { Action } from './action-dialog.js'
 * @import { Context, Page } from './context.js'
 * @import { Resource } from './follow.js'
 * @import { Caller } from './replies.ts'
 */

/** The page as it stands: everything that is drawn is a function of this. */
const state = {
  /** Undefined while that is not known. @type {Caller | null | undefined} */
  caller: undefined,
  route: parseRoute(location.hash),
  /** By address of the API. @type {Map<string, Resource>} */
  known: new Map(),
  /** @type {Action | null} */
  action: null,
  notice: '',
}

const root = /** @type {HTMLElement} */ (document.getElementById('app'))
const follower = createFollower((path, resource) => {
  state.known.set(path, resource)
  if (resource.error?.status === 401) state.caller = null
  draw()
})

/** Ages grow while nothing else happens, in milliseconds. */
const REDRAW_MS = 1000

function draw() {
  const { caller, route } = state
  if (caller === undefined) return
  if (caller === null) {
    follower.follow({})
    state.known.clear()
    document.title = 'Sign in · CloudDC provisioner'
    render(h(SignIn, { onCaller: signedIn }), root)
    return
  }
  const page = pageAt(route, caller)
  follower.follow(page.wants)
  document.title = `${page.title} · CloudDC provisioner`
  const resources = Object.keys(page.wants).map((path) => state.known.get(path) ?? NOTHING)
  const now = Date.now() + Math.max(0, ...resources.map(({ skew }) => skew))
  /** @type {Context} */
  const context = { route, caller, now, get: (path) => state.known.get(path) ?? NOTHING, begin, refine }
  render(
    [
      frame({ route, caller, resources, notice: state.notice, signOut, page: page.view(context) }),
      state.action && dialogOf(state.action),
    ],
    root,
  )
}

/** @param {Action} action */
function dialogOf(action) {
  return h(ActionDialog, {
    key: action.title + action.verb,
    action,
    onDone: done,
    onClose: closed,
    onInstead: begin,
  })
}

/** @param {Action} action */
function begin(action) {
  state.action = action
  draw()
}

function closed() {
  state.action = null
  draw()
}

/** @param {Action} action @param {string | null} goTo */
function done(action, goTo) {
  state.notice = `Done: ${action.title}.`
  closed()
  follower.lookNow()
  if (goTo !== null) location.hash = goTo
}

/** @param {string} hash */
function refine(hash) {
  history.replaceState(null, '', hash)
  state.route = parseRoute(hash)
  draw()
}

/** @param {Caller} caller */
function signedIn(caller) {
  state.caller = caller
  draw()
}

async function signOut() {
  try {
    await ask('console/session', { method: 'DELETE' })
    state.caller = null
    state.notice = ''
  } catch (error) {
    state.notice = `Not signed out: ${messageOf(error)}`
  }
  draw()
}

/** Another page begins at its top, where a reader of screens is told so; a part of one, there. */
function arrive() {
  const { part } = state.route.query
  const target = part === undefined ? document.querySelector('h1') : document.getElementById(`${part}-title`)
  if (!(target instanceof HTMLElement)) return
  target.tabIndex = -1
  target.focus({ preventScroll: part === undefined })
  if (part === undefined) scrollTo(0, 0)
}

addEventListener('hashchange', () => {
  state.route = parseRoute(location.hash)
  state.notice = ''
  draw()
  arrive()
})
setInterval(() => {
  if (!document.hidden) draw()
}, REDRAW_MS)

async function start() {
  try {
    state.caller = await askWho()
    draw()
  } catch (error) {
    render(h('p', { class: 'bad', role: 'alert' }, `${messageOf(error)} It is asked again.`), root)
    setTimeout(start, 2000)
  }
}
void start()
