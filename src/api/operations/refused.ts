import { problemSchema } from '../../contracts/status.ts'
import { RefusedChangeError } from '../../operations/refused-change.ts'
import { guardedChange } from '../guarded-reads.ts'
import { PROBLEM_TYPE, ProblemError } from '../problem.ts'
import { reply } from '../replies.ts'

const EXAMPLE = {
  type: 'about:blank',
  title: 'Conflict',
  status: 409,
  code: 'change_refused',
  detail: 'until 2026-11-23T12:00:00.000Z has passed',
}

export const REFUSED_REPLY = reply(
  'It makes no sense as things stand; nothing was changed',
  problemSchema,
  EXAMPLE,
  PROBLEM_TYPE,
)

/** Makes a change; one that is refused becomes a 409 that says why. */
export async function changeUnlessRefused<Result>(change: () => Promise<Result>): Promise<Result> {
  try {
    return await guardedChange('the change could not be stored', change)
  } catch (error) {
    if (!(error instanceof RefusedChangeError)) throw error
    throw new ProblemError({ status: 409, code: 'change_refused', detail: error.message })
  }
}
