import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { type ProjectOfAll, projectListSchema } from '../../contracts/project-list.ts'
import type { ProjectPlace } from '../../operations/find-projects.sql.ts'
import type { OperationsReads } from '../../operations/reads.ts'
import { limit, projectId } from '../parameters.ts'
import type { Reads } from '../reads.ts'
import { problemReplies, reply } from '../replies.ts'
import { OPERATIONS_EXAMPLES } from './examples.ts'
import { OPERATIONS_TAGS } from './inputs.ts'

const place = z.tuple([z.number().min(0).max(1), projectId])

const marker = z
  .string()
  .meta({ examples: ['WzAuOTIsInByb2plY3QtMSJd'] })
  .transform((text, context): ProjectPlace => {
    const found = place.safeParse(contentOf(text))
    if (found.success) return { usedShare: found.data[0], projectId: found.data[1] }
    context.addIssue('is no marker of this API')
    return z.NEVER
  })
  .describe('`next_marker` of the page before')

export function registerProjectsRoute(
  instance: FastifyInstance,
  { reads, summary }: { reads: Pick<OperationsReads, 'projects'>; summary: Reads['summary'] },
): void {
  instance.withTypeProvider<ZodTypeProvider>().get(
    '/operations/projects',
    {
      schema: {
        tags: OPERATIONS_TAGS,
        operationId: 'listProjects',
        summary: 'How all projects stand, those with the least left of their call limit first',
        description:
          'Projects that ordered lately, and those that are paused or limited by an operator, each with its summary. What ' +
          'is used of a limit changes all the time, so a project may be on two pages, or on none.',
        querystring: z.strictObject({ limit, marker: marker.optional() }),
        response: {
          200: reply('One page', projectListSchema, OPERATIONS_EXAMPLES.projects),
          ...problemReplies([400, 503]),
        },
      },
    },
    async ({ query }) => {
      const { projects, last } = await reads.projects({ limit: query.limit, after: query.marker })
      const summed: ProjectOfAll[] = []
      // One after the other: those who ask for the status of a request are not to wait for all of these.
      for (const { projectId: id, usedShare, credentialId } of projects)
        summed.push({ ...(await summary(id)), used_share: usedShare, credential_id: credentialId })
      return { projects: summed, next_marker: last === null ? null : markerOf(last) }
    },
  )
}

function markerOf({ usedShare, projectId }: ProjectPlace): string {
  return Buffer.from(JSON.stringify([usedShare, projectId])).toString('base64url')
}

function contentOf(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString())
  } catch {
    return null
  }
}
