import { z } from 'zod'
import { projectId, textOrNull, timeOrNull, told } from './reply-members.ts'

/** The replies of the routes by which operators change call limits, and pause. */

const perSecond = z.number().meta(told('Calls per second', 2))
const burst = z.number().meta(told('Calls at once', 4))
const who = textOrNull('The caller who did it; null for nobody', 'key:console')

export const limitReplySchema = z
  .object({
    project_id: projectId,
    per_second: perSecond,
    burst,
    overridden: z.boolean().meta(told('Whether an operator has set it; else it is the configured one', true)),
    configured: z
      .object({ per_second: perSecond, burst })
      .meta({ id: 'ConfiguredLimit', description: 'The limit that the configuration gives a project' })
      .describe('What counts otherwise'),
    since: timeOrNull('When it was set; null where nobody has'),
    until: timeOrNull('When it ends by itself; null for never'),
    who,
    reason: textOrNull('Why; null where nobody has set it', 'CloudDC throttles the region, see INC-341'),
  })
  .meta({ id: 'ProjectLimit', description: 'The call limit of a project' })

export type LimitReply = z.output<typeof limitReplySchema>

export const pauseReplySchema = z
  .object({
    project_id: textOrNull('The CloudDC project; null for all', 'project-1'),
    paused: z.boolean().meta(told('Whether its orders are held back, by its own pause or that of all', true)),
    since: timeOrNull('Since when; null without a pause'),
    until: timeOrNull('When it ends by itself; null for never'),
    who,
    reason: textOrNull('Why; null without a pause', 'maintenance of the region, see INC-341'),
  })
  .meta({ id: 'PauseReply', description: 'Whether orders are held back by an operator' })

export type PauseReply = z.output<typeof pauseReplySchema>
