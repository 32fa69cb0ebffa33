import type { AuditPage } from '../../contracts/operations.ts'
import type { Wire } from '../api.ts'
import { byDefault, value, wholeNumber } from '../option.ts'
import { show } from '../show.ts'
import { table } from '../table.ts'
import { at } from '../times.ts'
import { defineVerb, WATCH } from '../verb.ts'

export const audit = defineVerb({
  name: 'audit',
  says: 'lists what people changed, newest first: who, what, why, until when',
  role: 'operate',
  places: {},
  options: {
    limit: byDefault(value('number', 'how many at the most, by default 50', wholeNumber(1, 200)), 50),
    marker: value('marker', 'go on after the page before, which has told it'),
    ...WATCH,
  },
  examples: ['audit --limit 20'],
  carryOut: async ({ limit, marker, ...watching }, { api, terminal, json }) => {
    await show({ terminal, json }, watching, {
      read: () => api.read<Wire<AuditPage>>('/operations/audit', { limit, marker }),
      draw: ({ entries, next_marker }) => {
        if (entries.length === 0) return ['nobody has changed anything']
        const more = next_marker === null ? [] : ['', terminal.paint('dim', `more: --marker ${next_marker}`)]
        return [...drawAudit(terminal, entries), ...more]
      },
    })
    return undefined
  },
})

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
