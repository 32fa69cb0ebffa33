// @ts-check
import { localTime } from './duration.js'

/**
 * Replays go on by themselves: each answers with a run, whose progress has a page of its own.
 *
 * @import { Action } from './action-dialog.js'
 * @import { Run } from './replies.ts'
 */

/** @param {unknown} run */
const runLink = (run) => `#/run/${/** @type {Run} */ (run).id}`

const PER_SECOND = { name: 'per_second', label: 'Per second', type: 'number', value: '50', min: 0 }

/** @param {string} code @param {number} count @returns {Action} */
export function replayLetters(code, count) {
  return {
    title: `Replay dead letters: ${code}`,
    verb: 'Replay',
    fields: [
      { name: 'max', label: 'At most', type: 'number', value: String(Math.max(count, 1)), min: 1 },
      PER_SECOND,
    ],
    says: ({ max, per_second }) =>
      `Up to ${max} letters with the code ${code} go back to the request queue, ${per_second} per second. What was ` +
      'ordered already is not ordered again; what is still not valid comes back as a dead letter.',
    request: (values) => ({
      method: 'POST',
      path: 'operations/dead-letters/replay',
      body: { code, max: Number(values.max), per_second: Number(values.per_second) },
    }),
    leadsTo: runLink,
  }
}

/** @param {string} projectId @param {string} [requestId] @param {string} [from] RFC 3339 @returns {Action} */
export function replayEvents(projectId, requestId, from) {
  const of = requestId === undefined ? projectId : `${requestId} of ${projectId}`
  return {
    title: `Send events of ${of} again`,
    verb: 'Send again',
    fields: [
      {
        name: 'target',
        label: 'The key that your queue is bound with to the exchange provision.replay',
        type: 'text',
      },
      {
        name: 'from',
        label: 'Of this time or later (your local time)',
        type: 'datetime-local',
        value: localTime(from === undefined ? Date.now() - 86_400_000 : Date.parse(from) - 60_000),
      },
      PER_SECOND,
    ],
    says: ({ target, from = '' }) =>
      `The events of ${of} since ${new Date(from).toLocaleString('en-GB')} are sent to the queues bound with the key ` +
      `“${target}”, with the ids that they had. Nobody else gets them.`,
    request: (values) => ({
      method: 'POST',
      path: 'operations/events/replay',
      body: {
        target: values.target,
        from: new Date(values.from ?? '').toISOString(),
        per_second: Number(values.per_second),
        project_id: projectId,
        ...(requestId === undefined ? {} : { request_id: requestId }),
      },
    }),
    leadsTo: runLink,
  }
}
