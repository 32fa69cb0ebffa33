// @ts-check

/**
 * What an operator may do: each asks for what it needs, says what it will do before it is done, and how it is asked of the
 * API.
 *
 * @import { Action, Values } from './action-dialog.js'
 * @import { Overview } from './replies.ts'
 */

const UNTIL = {
  name: 'until',
  label: 'Ends by itself at (optional, your local time)',
  type: 'datetime-local',
  optional: true,
}

/** @param {Values} values */
const untilOf = ({ until }) => (until ? { until: new Date(until).toISOString() } : {})

/** @param {Values} values */
const lasts = ({ until }) =>
  until ? `until ${new Date(until).toLocaleString('en-GB')}` : 'until somebody changes it'

/** @param {string} projectId */
const project = (projectId) => `operations/projects/${encodeURIComponent(projectId)}`

/** @param {string} projectId @param {string} requestId */
const order = (projectId, requestId) =>
  `v1/${encodeURIComponent(projectId)}/provision-requests/${encodeURIComponent(requestId)}`

/**
 * @param {Pick<Overview['budgets']['projects'][number], 'project_id' | 'rate' | 'burst' | 'overridden'>} budget
 * @returns {Action}
 */
export function limitProject({ project_id, rate, burst, overridden }) {
  return {
    title: `Limit of ${project_id}`,
    verb: 'Set the limit',
    fields: [
      { name: 'per_second', label: 'Calls per second', type: 'number', value: String(rate), min: 0 },
      { name: 'burst', label: 'Calls at once', type: 'number', value: String(burst), min: 1 },
      UNTIL,
    ],
    says: (values) =>
      `${project_id} may then make ${values.per_second} calls per second, ${values.burst} at once, ${lasts(values)}. ` +
      `Now it is ${rate} and ${burst}.`,
    request: (values) => ({
      method: 'PUT',
      path: `${project(project_id)}/limit`,
      body: { per_second: Number(values.per_second), burst: Number(values.burst), ...untilOf(values) },
    }),
    ...(overridden ? { instead: removeLimit(project_id) } : {}),
  }
}

/** @param {string} projectId @returns {Action} */
export function removeLimit(projectId) {
  return {
    title: `Limit of ${projectId}`,
    verb: 'Remove the limit',
    fields: [],
    says: () => `${projectId} then has the limit of the configuration again.`,
    request: ({ reason }) => ({
      method: 'DELETE',
      path: `${project(projectId)}/limit?${new URLSearchParams({ reason: reason ?? '' })}`,
    }),
  }
}

/** @param {string} projectId @returns {Action} */
export function pauseProject(projectId) {
  return {
    title: `Pause ${projectId}`,
    verb: 'Pause',
    fields: [UNTIL],
    says: (values) =>
      `No order of ${projectId} is sent to CloudDC, ${lasts(values)}. Orders are still accepted and wait; what was ` +
      'ordered is still watched; deadlines keep running.',
    request: (values) => ({ method: 'POST', path: `${project(projectId)}/pause`, body: untilOf(values) }),
  }
}

/** @param {string} projectId @returns {Action} */
export function resumeProject(projectId) {
  return {
    title: `Resume ${projectId}`,
    verb: 'Resume',
    fields: [],
    says: () =>
      `Orders of ${projectId} are sent to CloudDC again, as fast as its limit allows. A pause of all projects stays.`,
    request: () => ({ method: 'POST', path: `${project(projectId)}/resume`, body: {} }),
  }
}

/** @returns {Action} */
export function pauseAll() {
  return {
    title: 'Pause all projects',
    verb: 'Pause everything',
    fields: [UNTIL],
    says: (values) =>
      `No order of any project is sent to CloudDC, ${lasts(values)}. Orders are still accepted and wait; what was ` +
      'ordered is still watched; deadlines keep running.',
    request: (values) => ({ method: 'POST', path: 'operations/pause', body: untilOf(values) }),
  }
}

/** @returns {Action} */
export function resumeAll() {
  return {
    title: 'Resume all projects',
    verb: 'Resume everything',
    fields: [],
    says: () => 'Orders are sent to CloudDC again. Projects that were paused one by one stay paused.',
    request: () => ({ method: 'POST', path: 'operations/resume', body: {} }),
  }
}

/** @param {string} projectId @param {string} requestId @returns {Action} */
export function cancelRequest(projectId, requestId) {
  return {
    title: `Cancel ${requestId}`,
    verb: 'Cancel the order',
    fields: [],
    needsReason: false,
    says: () => `${requestId} of ${projectId} ends as cancelled, for good. Nothing has been ordered for it.`,
    request: () => ({ method: 'POST', path: `${order(projectId, requestId)}/cancel` }),
  }
}

/** @param {string} projectId @param {string} requestId @param {readonly string[]} found @returns {Action} */
export function adoptInstances(projectId, requestId, found) {
  return {
    title: `Adopt servers for ${requestId}`,
    verb: 'Adopt',
    fields: [
      {
        name: 'adopt',
        label: 'Ids of the instances that the call created, separated by spaces',
        type: 'text',
        value: found.join(' '),
      },
    ],
    says: ({ adopt = '' }) =>
      `${requestId} goes on with ${idsIn(adopt).length} servers of CloudDC: ${idsIn(adopt).join(', ')}.`,
    request: ({ adopt = '' }) => ({
      method: 'POST',
      path: `${order(projectId, requestId)}/resolve`,
      body: { adopt: idsIn(adopt) },
    }),
  }
}

/** @param {string} projectId @param {string} requestId @returns {Action} */
export function voidAttempt(projectId, requestId) {
  return {
    title: `Nothing was created for ${requestId}`,
    verb: 'Order again',
    fields: [],
    says: () =>
      `The call counts as not having created any server, and ${requestId} of ${projectId} is sent again. If it has ` +
      'created some after all, they are ordered twice.',
    request: () => ({
      method: 'POST',
      path: `${order(projectId, requestId)}/resolve`,
      body: { void: true },
    }),
  }
}

/** @param {string} text */
const idsIn = (text) => text.split(/[\s,]+/).filter(Boolean)
