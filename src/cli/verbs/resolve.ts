import { make } from '../change.ts'
import { CommandError } from '../command-error.ts'
import { flag, list, project, reason, request, value } from '../option.ts'
import { pathOf, type StatusReply } from '../requests.ts'
import { DRY_RUN, defineVerb } from '../verb.ts'

export const resolve = defineVerb({
  name: 'resolve',
  says: 'settles a request whose outcome only a person can find out',
  role: 'operate',
  places: { project, request },
  options: {
    adopt: value(
      'ids',
      'instances that the call created, comma separated: the request goes on with them',
      list,
    ),
    void: flag('the call created nothing: the request is sent again, or ends when its attempts are used up'),
    reason,
    ...DRY_RUN,
  },
  examples: [
    'resolve project-1 order-7f3c --void --reason "neither console nor audit log knows of a call then"',
    'resolve project-1 order-7f3c --adopt 5b0c7c7e-8a55-4c4b-9d53-3c3f5c1f8f10 --reason "named in the audit log"',
  ],
  notes: 'Refused, with the evidence, where the state or what listings have shown speaks against it.',
  check: ({ adopt, void: isVoid }) =>
    isVoid === (adopt !== undefined) ? 'either --adopt or --void says what the call has done' : null,
  carryOut: async ({ project, request, adopt, reason, dryRun }, context) => {
    const path = pathOf(project, request)
    if (dryRun) {
      const { state } = await context.api.read<StatusReply>(path)
      if (state !== 'uncertain')
        throw new CommandError('failed', 'cannot_resolve', `the request is ${state}, not uncertain`)
    }
    const verdict = adopt === undefined ? { void: true } : { adopt }
    await make<StatusReply>(
      context,
      { method: 'POST', path: `${path}/resolve`, body: { ...verdict, reason } },
      { dryRun, tell: ({ state }) => `${project} ${request} is ${state} now` },
    )
    return undefined
  },
})
