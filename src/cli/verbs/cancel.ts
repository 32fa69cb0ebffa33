import { make } from '../change.ts'
import { CommandError } from '../command-error.ts'
import { project, request } from '../option.ts'
import { pathOf, type StatusReply } from '../requests.ts'
import { DRY_RUN, defineVerb } from '../verb.ts'

export const cancel = defineVerb({
  name: 'cancel',
  says: 'withdraws a request that is still queued',
  role: 'cancel',
  places: { project, request },
  options: DRY_RUN,
  examples: ['cancel project-1 order-7f3c'],
  notes: 'Refused once the request has left the queue: servers are never deleted.',
  carryOut: async ({ project, request, dryRun }, context) => {
    const path = pathOf(project, request)
    if (dryRun) {
      const { state } = await context.api.read<StatusReply>(path)
      if (state !== 'queued' && state !== 'cancelled')
        throw new CommandError(
          'failed',
          'too_late',
          `the request is ${state}: only a queued one can be cancelled`,
        )
    }
    await make<StatusReply>(
      context,
      { method: 'POST', path: `${path}/cancel` },
      { dryRun, tell: ({ state }) => `${project} ${request} is ${state}` },
    )
    return undefined
  },
})
