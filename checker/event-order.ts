import { eventsOf, type FirstCopy } from './event-record.ts'

/**
 * How the first copies of one request's events came out of order: accepted before all, dispatched before the events
 * of its instances, an unknown outcome before its adoption, attempts one after the other, completed after all; and none
 * with an earlier time than the one before it.
 */
export function faultsOfOrder(events: readonly FirstCopy[]): string[] {
  const own = events.filter(({ kind }) => kind !== 'request.rejected')
  const faults: string[] = []
  const demand = (earlier: FirstCopy | undefined, later: FirstCopy | undefined) => {
    if (earlier && later && earlier.position > later.position) {
      faults.push(`${later.kind} came before ${earlier.kind}`)
    }
  }

  for (const [place, event] of own.entries()) {
    const before = own[place - 1]
    if (before !== undefined && event.time < before.time) {
      faults.push(`${event.kind} is dated before the ${before.kind} that came before it`)
    }
  }

  const dispatched = eventsOf(own, 'request.dispatched')
  const accepted = eventsOf(own, 'request.accepted')[0]
  const completed = eventsOf(own, 'request.completed')[0]
  const late = foundLate(own, completed)
  for (const event of own) {
    if (event !== accepted) demand(accepted, event)
    // What is found after the end is told after the end.
    if (event !== completed && !isFoundLate(event) && !late.has(event)) demand(event, completed)
  }

  for (const event of [...eventsOf(own, 'instance.running'), ...eventsOf(own, 'instance.failed')]) {
    demand(
      dispatched.find(({ data }) => data.instance_ids.includes(event.data.instance_id)),
      event,
    )
  }
  const uncertain = eventsOf(own, 'request.uncertain').filter((event) => !isFoundLate(event))
  for (const doubt of uncertain) {
    for (const other of [...dispatched, ...uncertain]) {
      if (other.data.attempt > doubt.data.attempt) demand(doubt, other)
    }
    demand(
      doubt,
      dispatched.find(({ data }) => data.attempt === doubt.data.attempt),
    )
  }
  return [...new Set(faults)]
}

/** What is told after the end of instances that the first event of their attempt did not name: all about these. */
function foundLate(own: readonly FirstCopy[], completed: FirstCopy | undefined): Set<FirstCopy> {
  const dispatched = eventsOf(own, 'request.dispatched')
  const more = dispatched.filter(
    (event) =>
      completed !== undefined &&
      event.position > completed.position &&
      dispatched.some(
        (first) => first.data.attempt === event.data.attempt && first.position < completed.position,
      ),
  )
  const ids = new Set(more.flatMap(({ data }) => data.instance_ids))
  const ends = [...eventsOf(own, 'instance.running'), ...eventsOf(own, 'instance.failed')]
  return new Set<FirstCopy>([...more, ...ends.filter(({ data }) => ids.has(data.instance_id))])
}

function isFoundLate(event: FirstCopy): boolean {
  return event.kind === 'request.uncertain' && event.data.reason === 'unexpected_instances'
}
