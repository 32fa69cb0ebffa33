import type { History, HistoryEntry } from '../../contracts/history.ts'
import type { Wire } from '../../contracts/wire.ts'
import { namedValues } from '../named-values.ts'
import { project, request } from '../option.ts'
import { pathOf } from '../requests.ts'
import { show } from '../show.ts'
import { table } from '../table.ts'
import { defineVerb, WATCH } from '../verb.ts'

export const history = defineVerb({
  name: 'history',
  says: 'shows all that happened to a request: each change of state and each call, with its evidence',
  role: 'read',
  places: { project, request },
  options: WATCH,
  examples: ['history project-1 order-7f3c'],
  carryOut: async ({ project, request, ...watching }, { api, terminal, json }) => {
    await show({ terminal, json }, watching, {
      read: () => api.read<Wire<History>>(`${pathOf(project, request)}/history`),
      draw: ({ history, truncated }) => [
        ...(truncated ? [terminal.paint('dim', 'the oldest entries are left out')] : []),
        ...table(
          terminal,
          [{ title: 'time' }, { title: 'what' }, { title: 'cause' }, { title: 'evidence', gives: true }],
          history.map((entry) => [entry.time, whatOf(entry), entry.cause, evidenceOf(entry)]),
        ),
      ],
    })
    return undefined
  },
})

function whatOf(entry: Wire<HistoryEntry>): string {
  if (entry.kind === 'attempt') return `call ${entry.attempt}: ${entry.state}`
  const { from, to } = entry
  return from === null || from === to ? to : `${from} -> ${to}`
}

function evidenceOf(entry: Wire<HistoryEntry>): string | null {
  const id = entry.kind === 'attempt' ? entry.upstream_request_id : null
  const found = { ...entry.evidence, ...(id === null ? {} : { upstream_request_id: id }) }
  return namedValues(Object.entries(found)) || null
}
