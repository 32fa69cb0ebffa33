// @ts-check

/**
 * @import { Action } from './action-dialog.js'
 * @import { Resource } from './follow.js'
 * @import { View } from './html.js'
 * @import { Caller } from './replies.ts'
 * @import { Route } from './route.js'
 */

/**
 * What a view is made of, and what its buttons may do.
 * @typedef {object} Context
 * @property {Route} route
 * @property {Caller} caller
 * @property {number} now milliseconds since 1970, by the service's clock
 * @property {(path: string) => Resource} get what is known of an address of the API that the page wants
 * @property {(action: Action) => void} begin opens the dialog of an action
 * @property {(hash: string) => void} refine changes the address without a step in the browser's history
 */

/**
 * A part of the console with an address of its own.
 * @typedef {object} Page
 * @property {string} title
 * @property {Readonly<Record<string, number>>} wants addresses of the API, and how often each is asked, in milliseconds
 * @property {(context: Context) => View} view
 */

/** @param {Caller} caller whether they may do what the routes for operators do */
export const mayOperate = ({ roles, projects }) => roles.includes('operate') && projects === '*'

/** @param {Caller} caller @param {string} projectId */
export const mayCancel = ({ roles, projects }, projectId) =>
  roles.includes('cancel') && (projects === '*' || projects.includes(projectId))
