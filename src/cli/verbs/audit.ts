import type { AuditPage } from '../../contracts/operations.ts'
import type { Wire } from '../../contracts/wire.ts'
import { drawAudit } from '../draw-audit.ts'
import { nextPage, PAGE } from '../page.ts'
import { show } from '../show.ts'
import { defineVerb, WATCH } from '../verb.ts'

export const audit = defineVerb({
  name: 'audit',
  says: 'lists what people changed, newest first: who, what, why, until when',
  role: 'operate',
  places: {},
  options: {
    ...PAGE,
    ...WATCH,
  },
  examples: ['audit --limit 20'],
  carryOut: async ({ limit, marker, ...watching }, { api, terminal, json }) => {
    await show({ terminal, json }, watching, {
      read: () => api.read<Wire<AuditPage>>('/operations/audit', { limit, marker }),
      draw: ({ entries, next_marker }) => {
        if (entries.length === 0) return ['nobody has changed anything']
        return [...drawAudit(terminal, entries), ...nextPage(terminal, next_marker)]
      },
    })
    return undefined
  },
})
