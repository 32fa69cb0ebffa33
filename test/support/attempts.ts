import { parseHistory } from '../../src/request/history.ts'
import type { TestDatabase } from './database.ts'

export interface AttemptTimes {
  /** Milliseconds since 1970, on the database's clock. */
  startedAt: number
  /** When its outcome was recorded, known or not; null before. */
  finishedAt: number | null
  cause: string | null
}

/** The attempts of all requests of a project, as their histories tell, the earliest first. */
export async function readAttempts(
  database: Pick<TestDatabase, 'query'>,
  projectId: string,
): Promise<AttemptTimes[]> {
  const rows = await database.query<{ history: string }>(
    'SELECT history FROM provision_request WHERE project_id = $1',
    [projectId],
  )
  const attempts = rows.flatMap(({ history }) => {
    const entries = parseHistory([history])
    return entries
      .filter(({ cause }) => cause === 'claimed')
      .map(({ at, attempt }) => {
        const end = entries.find((entry) => entry.attempt === attempt && entry.outcome !== undefined)
        return { startedAt: at, finishedAt: end?.at ?? null, cause: end?.cause ?? null }
      })
  })
  return attempts.sort((one, other) => one.startedAt - other.startedAt)
}
