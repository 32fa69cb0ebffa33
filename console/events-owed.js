// @ts-check

/** @import { Transition } from './replies.ts' */

/** An event that a change owes, which is published once. @typedef {{ kind: string, subject: string | null }} Owed */

const ENDED = ['running', 'partially_running', 'failed', 'expired', 'cancelled']

/**
 * The events that a change of state owes by itself, by the rules of src/outbox/render-events.ts; those of its instances
 * stand with them (timeline-items.js). Pure.
 * @param {Transition} change
 * @returns {Owed[]}
 */
export function eventsOf({ from, to, cause }) {
  const owed = (/** @type {string} */ kind) => [{ kind, subject: null }]
  if (from === null) return owed('request.accepted')
  if (from !== to && ENDED.includes(to)) return owed('request.completed')
  if (from !== to && to === 'provisioning') return owed('request.dispatched')
  if (from !== to && to === 'uncertain') return owed('request.uncertain')
  if (cause === 'unexpected_instances') return owed('request.dispatched')
  return []
}
