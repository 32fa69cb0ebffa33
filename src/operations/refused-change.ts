import { hasBucket, isAhead } from '../budget/limit-override.sql.ts'
import type { Sql } from '../database/database.ts'

/** Thrown when a change makes no sense as things stand; nothing was changed. */
export class RefusedChangeError extends Error {
  override readonly name = 'RefusedChangeError'
}

/** @throws {RefusedChangeError} when that time has passed on the database's clock */
export async function demandAhead(sql: Sql, until: Date | null): Promise<void> {
  if (until === null) return
  if (!(await isAhead(sql, until))) throw new RefusedChangeError(`until ${until.toISOString()} has passed`)
}

/**
 * A project that may not order can still have requests from when it might.
 * @throws {RefusedChangeError} when nobody may order for the project, and it is not known to have ordered
 */
export async function demandProject(
  sql: Sql,
  projectId: string,
  projects: ReadonlySet<string> | '*',
): Promise<void> {
  if (projects === '*' || projects.has(projectId)) return
  if (!(await hasBucket(sql, projectId)))
    throw new RefusedChangeError(`PROJECTS does not list ${projectId}, and it has ordered nothing lately`)
}
