import type { AuditPage } from '../contracts/operations.ts'
import type { Wire } from '../contracts/wire.ts'
import { table } from './table.ts'
import { at } from './times.ts'

type Entry = Wire<AuditPage>['entries'][number]

export function drawAudit(terminal: Parameters<typeof table>[0], entries: readonly Entry[]): string[] {
  return table(
    terminal,
    [
      { title: 'when' },
      { title: 'who' },
      { title: 'what' },
      { title: 'of' },
      { title: 'change', gives: true },
      { title: 'why', gives: true },
    ],
    entries.map((entry) => [
      at(entry.at),
      entry.who,
      entry.verb,
      [entry.project_id, entry.target].filter((id) => id !== null).join(' ') || 'all projects',
      changeOf(entry),
      entry.reason,
    ]),
  )
}

/** They have columns of their own, or stand in those of another entry. */
const TOLD_BESIDE = new Set(['reason', 'since', 'until', 'who'])

/** What is other than before, and until when: `per_second 20 -> 2, burst 10 -> 4, until 2026-11-23T12:00:00Z`. Pure. */
export function changeOf({ before, after, until }: Pick<Entry, 'before' | 'after' | 'until'>): string {
  const names = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])
  const changed = [...names.difference(TOLD_BESIDE)].flatMap((name) => {
    const [was, is] = [shown(before?.[name]), shown(after?.[name])]
    if (was === is) return []
    return was === null ? `${name} ${is}` : `${name} ${was} -> ${is ?? 'none'}`
  })
  return [...changed, ...(until === null ? [] : [`until ${at(until)}`])].join(', ')
}

function shown(value: unknown): string | null {
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}
