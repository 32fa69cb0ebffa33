import { z } from 'zod'
import { count, projectId, text, textOrNull, time, timeOrNull, told } from '../contracts/reply-members.ts'
import { BLOCKED_REASONS } from '../request/waiting.ts'
import { MOST_LISTED } from './overview-bounds.ts'

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

const projectBudgetSchema = z
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

const credentialBudgetSchema = z
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

export const budgetsSchema = z
  .object({
    paused: z
      .object({
        since: time('When it was paused'),
        until: timeOrNull('When it ends by itself; null for never'),
        who: text('Who paused it', 'key:console'),
        reason: text('Why', 'maintenance of the region, see INC-341'),
      })
      .meta({ id: 'Paused', description: 'A pause by a person' })
      .nullable()
      .describe('The pause of all projects; null without one'),
    projects: z
      .array(projectBudgetSchema)
      .describe(
        `Closed ones first, then paused ones, those with a limit set by a person, and those with the least left; ${MOST_LISTED} at most`,
      ),
    totals: z
      .object({
        projects: count('Projects with a bucket: those that ordered lately', 1000),
        waiting: count('With requests that wait for a call', 12),
        closed: count('Closed, or sending one probe at a time', 3),
        paused: count('Paused one by one', 1),
        overridden: count('With a limit set by a person', 2),
      })
      .meta({ id: 'BudgetTotals', description: 'Projects, shown or not' })
      .describe('Counts of all projects'),
    credentials: z
      .array(credentialBudgetSchema)
      .describe(`What projects share; refused ones first, ${MOST_LISTED} at most`),
  })
  .meta({ id: 'Budgets', description: 'What of each call limit is used, and which is closed' })
