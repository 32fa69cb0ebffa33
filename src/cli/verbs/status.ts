import { isTerminal } from '../../request/provision-request.ts'
import { project, request } from '../option.ts'
import { drawStatus, pathOf, type StatusReply } from '../requests.ts'
import { show } from '../show.ts'
import { defineVerb, WATCH } from '../verb.ts'

export const status = defineVerb({
  name: 'status',
  says: 'shows a request: state, servers, what it waits for, why it failed',
  role: 'read',
  places: { project, request },
  options: WATCH,
  examples: ['status project-1 order-7f3c', 'status project-1 order-7f3c --watch'],
  notes: 'With --watch it ends when the request has ended.',
  carryOut: async ({ project, request, ...watching }, { api, terminal, json }) => {
    await show({ terminal, json }, watching, {
      read: () => api.read<StatusReply>(pathOf(project, request)),
      draw: (status) => drawStatus(terminal, status),
      isOver: ({ state }) => isTerminal(state),
    })
    return undefined
  },
})
