import { z } from 'zod'
import { REASON_LENGTH } from '../../contracts/operations.ts'
import { told } from '../../contracts/reply-members.ts'
import { instant } from '../parameters.ts'

/** What bodies and queries of several routes for operators hold. */

export const reason = z
  .string()
  .trim()
  .min(REASON_LENGTH.min, `must be at least ${REASON_LENGTH.min} characters`)
  .max(REASON_LENGTH.max, `must be at most ${REASON_LENGTH.max} characters`)
  .meta(told('Why, for the audit: 10 to 500 characters', 'replicas were restarted too often, see INC-341'))

export const OPERATIONS_TAGS = ['operations']

/** When a change ends by itself. */
export const until = instant(
  'When it ends by itself; without it, when somebody ends it',
  '2026-11-23T18:00:00Z',
).optional()
