import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Pause } from '../../budget/pause.sql.ts'
import { type PauseReply, pauseReplySchema } from '../../contracts/limits.ts'
import type { By } from '../../operations/audit.ts'
import { projectParams } from '../parameters.ts'
import { problemReplies, reply } from '../replies.ts'
import { OPERATIONS_EXAMPLES } from './examples.ts'
import { OPERATIONS_TAGS, reason, until } from './inputs.ts'
import { changeUnlessRefused, REFUSED_REPLY } from './refused.ts'

export interface PauseRoutesOptions {
  /** Of all projects where the project is null. Both throw RefusedChangeError. */
  pause: (projectId: string | null, until: Date | null, by: By) => Promise<Pause>
  /** Returns the pause that holds the project back still. */
  resume: (projectId: string | null, by: By) => Promise<Pause | null>
}

const pauseBody = z.strictObject({ reason, until })
const resumeBody = z.strictObject({ reason })

const WHILE_PAUSED =
  'No order is sent, by any replica; calls that read go on, so that what was ordered is followed, and deadlines keep ' +
  'running. Calls that have begun end as usual. Pausing again sets the end and the reason anew.'

/** Pausing and resuming orders, of one project and of all. */
export function registerPauseRoutes(instance: FastifyInstance, { pause, resume }: PauseRoutesOptions): void {
  const app = instance.withTypeProvider<ZodTypeProvider>()

  const paused = async (projectId: string | null, body: z.output<typeof pauseBody>, who: string) => {
    const by = { who, reason: body.reason }
    return pauseReply(projectId, await changeUnlessRefused(() => pause(projectId, body.until ?? null, by)))
  }
  const resumed = async (projectId: string | null, body: z.output<typeof resumeBody>, who: string) =>
    pauseReply(projectId, await changeUnlessRefused(() => resume(projectId, { who, reason: body.reason })))

  const responses = (description: string, example: PauseReply) => ({
    200: reply(description, pauseReplySchema, example),
    409: REFUSED_REPLY,
    ...problemReplies([400, 413, 503]),
  })
  const { pausedProject, resumedProject } = OPERATIONS_EXAMPLES
  const all = { project_id: null }

  app.post(
    '/operations/projects/:project_id/pause',
    {
      schema: {
        tags: OPERATIONS_TAGS,
        operationId: 'pauseProject',
        summary: 'Holds back the orders of a project',
        description: `${WHILE_PAUSED} Also for a project that has ordered nothing yet.`,
        params: projectParams,
        body: pauseBody,
        response: responses('Paused', pausedProject),
      },
    },
    ({ params, body, caller }) => paused(params.project_id, body, caller.id),
  )

  app.post(
    '/operations/projects/:project_id/resume',
    {
      schema: {
        tags: OPERATIONS_TAGS,
        operationId: 'resumeProject',
        summary: 'Ends the pause of a project',
        description: 'While all projects are paused, its orders stay where they are; the reply says so.',
        params: projectParams,
        body: resumeBody,
        response: responses('Resumed', resumedProject),
      },
    },
    ({ params, body, caller }) => resumed(params.project_id, body, caller.id),
  )

  app.post(
    '/operations/pause',
    {
      schema: {
        tags: OPERATIONS_TAGS,
        operationId: 'pauseAll',
        summary: 'Holds back the orders of all projects',
        description: WHILE_PAUSED,
        body: pauseBody,
        response: responses('Paused', { ...pausedProject, ...all }),
      },
    },
    ({ body, caller }) => paused(null, body, caller.id),
  )

  app.post(
    '/operations/resume',
    {
      schema: {
        tags: OPERATIONS_TAGS,
        operationId: 'resumeAll',
        summary: 'Ends the pause of all projects',
        description: 'Projects that were paused one by one stay paused.',
        body: resumeBody,
        response: responses('Resumed', { ...resumedProject, ...all }),
      },
    },
    ({ body, caller }) => resumed(null, body, caller.id),
  )
}

function pauseReply(projectId: string | null, held: Pause | null): PauseReply {
  return {
    project_id: projectId,
    paused: held !== null,
    since: held?.since ?? null,
    until: held?.until ?? null,
    who: held?.who ?? null,
    reason: held?.reason ?? null,
  }
}
