import type { AuditPage } from '../contracts/operations.ts'
import type { Wire } from '../contracts/wire.ts'
import { table } from './table.ts'
import { at } from './times.ts'

export function drawAudit(
  terminal: Parameters<typeof table>[0],
  entries: Wire<AuditPage>['entries'],
): string[] {
  return table(
    terminal,
    [
      { title: 'when' },
      { title: 'who' },
      { title: 'what' },
      { title: 'project' },
      { title: 'of', gives: true },
      { title: 'until' },
      { title: 'change', gives: true },
      { title: 'why', gives: true },
    ],
    entries.map((entry) => [
      at(entry.at),
      entry.who,
      entry.verb,
      entry.project_id,
      entry.target,
      at(entry.until),
      changeOf(entry.before, entry.after),
      entry.reason,
    ]),
  )
}

function changeOf(before: unknown, after: unknown): string {
  const shown = (side: unknown) => (side === null ? null : JSON.stringify(side))
  return [shown(before), shown(after)].filter((side) => side !== null).join(' -> ')
}
