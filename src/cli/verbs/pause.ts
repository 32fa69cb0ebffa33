import { make } from '../change.ts'
import { flag, instant, readProject, reason, value } from '../option.ts'
import { at } from '../times.ts'
import { DRY_RUN, defineVerb } from '../verb.ts'

const someOrAll = {
  places: { project: value('project', 'id of the CloudDC project', readProject) },
  all: flag('all projects'),
}

const check = ({ project, all }: { project: string | undefined; all: boolean }) =>
  all === (project !== undefined) ? 'either a project or --all says what' : null

const pathOf = (project: string | undefined, verb: string) =>
  project === undefined
    ? `/operations/${verb}`
    : `/operations/projects/${encodeURIComponent(project)}/${verb}`

const named = (project: string | undefined) => (project === undefined ? 'all projects' : project)

export const pause = defineVerb({
  name: 'pause',
  says: 'lets no further order of a project, or of all, go to CloudDC; reading calls go on',
  role: 'operate',
  places: someOrAll.places,
  options: {
    all: someOrAll.all,
    until: value('time', 'when it ends by itself: RFC 3339, or 2h from now', instant(1)),
    reason,
    ...DRY_RUN,
  },
  examples: [
    'pause project-1 --until 2h --reason "the region is under maintenance"',
    'pause --all --reason "wrong image, see INC-341"',
  ],
  notes:
    'In force on all replicas within a second, and written to the audit. Deadlines go on; cancelling works.',
  check,
  carryOut: async ({ project, until, reason, dryRun }, context) => {
    const end = until === undefined ? 'until resumed' : `until ${at(until)}`
    await make(
      context,
      { method: 'POST', path: pathOf(project, 'pause'), body: { reason, until } },
      { dryRun, tell: () => `${named(project)}: paused ${end}` },
    )
    return undefined
  },
})

export const resume = defineVerb({
  name: 'resume',
  says: 'ends a pause of a project, or that of all',
  role: 'operate',
  places: someOrAll.places,
  options: { all: someOrAll.all, reason, ...DRY_RUN },
  examples: [
    'resume project-1 --reason "the maintenance is over"',
    'resume --all --reason "the image is right now"',
  ],
  notes: 'A project that is paused by itself stays so while that of all ends, and the other way round.',
  check,
  carryOut: async ({ project, reason, dryRun }, context) => {
    await make(
      context,
      { method: 'POST', path: pathOf(project, 'resume'), body: { reason } },
      { dryRun, tell: () => `${named(project)}: resumed` },
    )
    return undefined
  },
})
