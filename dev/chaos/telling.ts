import type { Evidence } from '../../checker/evidence.ts'
import type { Standing } from './settling.ts'

export const endedByItself = { subject: 'a replica', message: 'ended, and no fault had been set on it' }

/** Lines of the last resort: a replica that ended for a reason of its own, not because it was killed. */
export function brokenReplicas({ texts }: Evidence) {
  return texts
    .filter(({ source }) => source.startsWith('log of'))
    .flatMap(({ source, text }) =>
      text
        .split('\n')
        .filter((line) => line.includes('"level":60') || line.includes('"level":"fatal"'))
        .map((line) => ({ subject: source, message: line.slice(0, 300) })),
    )
}

export function describeStanding(
  { states, rows, ended, outbox, onQueue }: Standing,
  seconds: number,
  requests: number,
  faults: ReadonlyMap<string, number>,
): string {
  const open = Object.entries(states).filter(([state]) =>
    ['queued', 'dispatching', 'uncertain', 'provisioning'].includes(state),
  )
  const total = [...faults.values()].reduce((sum, count) => sum + count, 0)
  return [
    `${seconds.toFixed(0).padStart(4)} s  ${total} faults`,
    `${ended} of ${rows} ended, ${requests} to come in all`,
    open.map(([state, count]) => `${state} ${count}`).join(', ') || 'none open',
    `${onQueue} on the queue, ${outbox} segments of events waiting`,
  ].join(' | ')
}

export function describeFaults(faults: ReadonlyMap<string, number>): string {
  return [...faults]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}

export function pointFaults(hits: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(hits).map(([point, count]) => [`point ${point}`, count]))
}
