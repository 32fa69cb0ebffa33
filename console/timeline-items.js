// @ts-check
import { eventsOf } from './events-owed.js'

/** @import { Owed } from './events-owed.js' @import { Entry, Status } from './replies.ts' */

/** @typedef {Status['instances'][number]} Instance */

/**
 * One line of what happened: an entry of the history, or an instance that has ended; with the events that it owed.
 * @typedef {{ time: string, events: Owed[] } & ({ entry: Entry } | { instance: Instance })} Item
 */

/**
 * The history with what became of the instances in between, oldest first. The status tells no time of one that failed: it
 * stands with the end of the order, or last while others are still watched. Pure.
 * @param {readonly Entry[]} history
 * @param {Pick<Status, 'instances' | 'completed_at' | 'updated_at'>} status
 * @returns {Item[]}
 */
export function timelineItems(history, { instances, completed_at, updated_at }) {
  /** @type {Item[]} */
  const entries = history.map((entry) => ({
    entry,
    time: entry.time,
    events: entry.kind === 'transition' ? eventsOf(entry) : [],
  }))
  const ended = instances
    .filter(({ state }) => state !== 'pending')
    .map((instance) => {
      const time = instance.running_at ?? completed_at ?? updated_at
      const events = [{ kind: `instance.${instance.state}`, subject: instance.id }]
      return { instance, time, events }
    })
  // Those of one time: the instances, then the change that they have brought about.
  return [...ended, ...entries].toSorted((a, b) => Date.parse(a.time) - Date.parse(b.time))
}
