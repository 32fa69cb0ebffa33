import type { RequestList } from '../../contracts/status.ts'
import type { Wire } from '../../contracts/wire.ts'
import { instant, project, value, list as words } from '../option.ts'
import { nextPage, PAGE } from '../page.ts'
import { drawList, listPathOf } from '../requests.ts'
import { show } from '../show.ts'
import { defineVerb, WATCH } from '../verb.ts'

export const list = defineVerb({
  name: 'list',
  says: 'lists requests of a project, newest first',
  role: 'read',
  places: { project },
  options: {
    state: value('states', 'only in these states, comma separated', words),
    request: value('ids', 'only these requests, comma separated', words),
    createdAfter: value('time', 'only later ones: RFC 3339, or 2h for two hours ago', instant(-1)),
    createdBefore: value('time', 'only earlier ones', instant(-1)),
    errorCode: value('code', 'only those that ended with this code'),
    correlationId: value('id', 'only those with this correlation id'),
    ...PAGE,
    ...WATCH,
  },
  examples: [
    'list project-1 --state failed,expired --created-after 2h',
    'list project-1 --json --limit 200',
    'list project-1 --watch',
  ],
  carryOut: async (
    {
      project,
      state,
      request,
      createdAfter,
      createdBefore,
      errorCode,
      correlationId,
      limit,
      marker,
      ...watching
    },
    { api, terminal, json },
  ) => {
    const query = {
      state: state?.join(','),
      request_id: request?.join(','),
      created_after: createdAfter,
      created_before: createdBefore,
      error_code: errorCode,
      correlation_id: correlationId,
      limit,
      marker,
    }
    await show({ terminal, json }, watching, {
      read: () => api.read<Wire<RequestList>>(listPathOf(project), query),
      draw: ({ requests, next_marker }) => {
        if (requests.length === 0) return [`no such requests of project ${project}`]
        return [...drawList(terminal, requests), ...nextPage(terminal, next_marker)]
      },
    })
    return undefined
  },
})
