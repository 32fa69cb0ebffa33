import type { Summary } from '../../contracts/summary.ts'
import type { Wire } from '../../contracts/wire.ts'
import { drawOverview, type OverviewReply } from '../draw-overview.ts'
import { drawSummary } from '../draw-summary.ts'
import { readProject, value } from '../option.ts'
import { show } from '../show.ts'
import { defineVerb, WATCH } from '../verb.ts'

export const overview = defineVerb({
  name: 'overview',
  says: 'shows how the installation stands, or one project: troubles, who waits for what, limits, failures',
  role: 'operate',
  places: { project: value('project', 'only this one; needs the role read alone', readProject) },
  options: WATCH,
  examples: ['overview --watch', 'overview project-1'],
  carryOut: async ({ project, ...watching }, { api, terminal, json }) => {
    const context = { terminal, json }
    if (project === undefined)
      await show(context, watching, {
        read: () => api.read<OverviewReply>('/operations/overview'),
        draw: (overview) => drawOverview(terminal, overview),
      })
    else
      await show(context, watching, {
        read: () => api.read<Wire<Summary>>(`/v1/${encodeURIComponent(project)}/summary`),
        draw: (summary) => drawSummary(terminal, summary),
      })
    return undefined
  },
})
