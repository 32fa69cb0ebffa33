import { z } from 'zod'
import { textOrNull, told } from './reply-members.ts'
import { summarySchema } from './summary.ts'

/** How all projects stand. */

const projectOfAllSchema = z
  .object({
    ...summarySchema.shape,
    used_share: z
      .number()
      .min(0)
      .max(1)
      .meta(told('Of its call limit. 0: all calls of its burst are left. 1: each waits for its token', 0.92)),
    credential_id: textOrNull(
      'The credential that its calls are made with; null while none is known',
      'default',
    ),
  })
  .meta({ id: 'ProjectOfAll', description: 'How a project stands, among all' })

export type ProjectOfAll = z.output<typeof projectOfAllSchema>

export const projectListSchema = z
  .object({
    projects: z.array(projectOfAllSchema).describe('Those with the least left of their call limit first'),
    next_marker: textOrNull(
      'The `marker` of the next page; null on the last one',
      'WzAuOTIsInByb2plY3QtMSJd',
    ),
  })
  .meta({ id: 'ProjectList', description: 'One page of projects' })

export type ProjectList = z.output<typeof projectListSchema>
