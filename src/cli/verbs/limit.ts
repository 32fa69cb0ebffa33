import type { Summary } from '../../contracts/summary.ts'
import type { Wire } from '../../contracts/wire.ts'
import { make } from '../change.ts'
import { drawBucket } from '../draw-summary.ts'
import { flag, InvalidValue, instant, positiveNumber, project, reason, value } from '../option.ts'
import { show } from '../show.ts'
import { at } from '../times.ts'
import { DRY_RUN, defineVerb } from '../verb.ts'

const burst = (text: string) => {
  const number = positiveNumber(text)
  if (number >= 1) return number
  throw new InvalidValue('must be a number from 1 on')
}

export const limit = defineVerb({
  name: 'limit',
  says: 'shows the call limit of a project, or sets it over the configuration, until it is removed or over',
  role: 'operate',
  places: { project },
  options: {
    perSecond: value('number', 'calls per second', positiveNumber),
    burst: value('number', 'calls at once', burst),
    until: value('time', 'when it ends by itself: RFC 3339, or 2h from now', instant(1)),
    remove: flag('back to the configured limit'),
    reason: {
      ...reason,
      isRequired: false,
      read: (given) => (given === undefined ? null : reason.read(given)),
    },
    ...DRY_RUN,
  },
  examples: [
    'limit project-1',
    'limit project-1 --per-second 2 --burst 4 --until 2h --reason "the region is slow, see INC-341"',
    'limit project-1 --remove --reason "the region is well again"',
  ],
  notes: 'In force on all replicas within a second, across restarts, and written to the audit.',
  check: ({ perSecond, burst, until, remove, reason }) => {
    const sets = perSecond !== undefined || burst !== undefined
    if (!sets && !remove)
      return until === undefined && reason === null ? null : '--per-second and --burst are missing'
    if (remove && (sets || until !== undefined)) return '--remove goes with --reason alone'
    if (sets && (perSecond === undefined || burst === undefined))
      return '--per-second and --burst belong together'
    return reason === null ? '--reason is missing' : null
  },
  carryOut: async ({ project, perSecond, burst, until, remove, reason, dryRun }, context) => {
    const { api, terminal } = context
    const path = `/operations/projects/${encodeURIComponent(project)}/limit`
    if (remove) {
      const change = { method: 'DELETE', path, query: { reason: reason ?? undefined } } as const
      await make(context, change, {
        dryRun,
        tell: () => `the limit of ${project} is that of the configuration again`,
      })
    } else if (perSecond !== undefined) {
      const change = { method: 'PUT', path, body: { per_second: perSecond, burst, until, reason } } as const
      const end = until === undefined ? 'until it is removed' : `until ${at(until)}`
      await make(context, change, {
        dryRun,
        tell: () => `the limit of ${project} is ${perSecond} per second, ${burst} at once, ${end}`,
      })
    } else {
      await show(
        context,
        { watch: false, every: 0 },
        {
          read: () => api.read<Wire<Summary>>(`/v1/${encodeURIComponent(project)}/summary`),
          draw: (summary) => drawBucket(terminal, summary),
        },
      )
    }
    return undefined
  },
})
