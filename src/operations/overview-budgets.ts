import { z } from 'zod'
import { count, projectId, text, textOrNull, timeOrNull, told } from '../contracts/reply-members.ts'
import { BLOCKED_REASONS } from '../request/waiting.ts'

/** What of each call limit is used, as the overview shows it. */

const closedMembers = {
  closed_reason: z
    .enum(BLOCKED_REASONS)
    .nullable()
    .meta(told('Why it is closed, or sends one probe at a time; null while it is open', 'throttled')),
  closed_until: timeOrNull('No call before; null while it is open'),
}

const usedShare = z
  .number()
  .min(0)
  .max(1)
  .meta(told('0: all calls of its burst are left. 1: none is, each waits for its token', 0.92))

export const projectBudgetSchema = z
  .object({
    project_id: projectId,
    rate: z.number().meta(told('Calls per second that flow in now', 5)),
    burst: z.number().meta(told('Calls at once', 10)),
    level: z.number().meta(told('Calls that may be made at once now', 0.8)),
    used_share: usedShare,
    waiting: z.boolean().meta(told('Whether requests wait for a call', true)),
    ...closedMembers,
    credential_id: textOrNull('The credential whose budget it shares; null for none', 'main'),
    paused: z.boolean().meta(told('Whether a person has paused the project', false)),
    paused_until: timeOrNull('When the pause ends by itself; null for never, or without one'),
    overridden: z.boolean().meta(told('Whether a person has set its limit', false)),
    override_until: timeOrNull('When that ends by itself; null for never, or without one'),
  })
  .meta({ id: 'ProjectBudget', description: 'The call limit of a project' })

export const credentialBudgetSchema = z
  .object({
    credential_id: text('Of the credential', 'main'),
    rate: z.number().nullable().meta(told('Calls per second for all its projects; null without a limit', 10)),
    burst: z.number().nullable().meta(told('Calls at once; null without a limit', 20)),
    level: z.number().nullable().meta(told('Calls that may be made at once now; null without a limit', 12.5)),
    used_share: usedShare.nullable(),
    ...closedMembers,
    proven: z
      .boolean()
      .meta(
        told(
          'false while it is new, or has a new secret, and CloudDC has not said yet whether it accepts it',
          true,
        ),
      ),
    projects: count('Projects that use it', 12),
  })
  .meta({ id: 'CredentialBudget', description: 'The call limit that the projects of a credential share' })
