import { coerceError } from '../../runtime/errors.ts'

/** How long a refused credential is not shown to IAM again. */
export const REFUSED_PAUSE_MS = 5 * 60_000
/** So many projects are refused in a row for the credential's sake, not for their own. */
const REFUSED_PROJECTS = 3

/**
 * Keeps a credential that IAM refuses from being shown again and again: wrong passwords lock users. A refusal speaks of
 * the credential where it was never accepted, or when it meets several projects in a row; else of its project.
 */
export function createRefusalGuard({
  isRefused,
  now = () => performance.now(),
}: {
  isRefused: (error: unknown) => boolean
  now?: () => number
}) {
  const refused = new Set<string>()
  let accepted = false
  let closed: { error: Error; until: number } | undefined

  /** Fetches for a project, or throws as the last refused fetch did. */
  return async <Result>(projectId: string, fetch: () => Promise<Result>): Promise<Result> => {
    if (closed !== undefined && now() < closed.until) throw closed.error
    try {
      const result = await fetch()
      accepted = true
      closed = undefined
      refused.clear()
      return result
    } catch (error) {
      if (isRefused(error)) {
        refused.add(projectId)
        if (!accepted || refused.size >= REFUSED_PROJECTS)
          closed = { error: coerceError(error), until: now() + REFUSED_PAUSE_MS }
      }
      throw error
    }
  }
}
