import type { AuditPage } from '../../contracts/operations.ts'
import type { Wire } from '../../contracts/wire.ts'
import { drawAudit } from '../draw-audit.ts'
import { byDefault, value, wholeNumber } from '../option.ts'
import { show } from '../show.ts'
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
