import { lockChanges } from '../budget/limit-override.sql.ts'
import { ALL_PROJECTS, findPause, type Pause, removePause, setPause } from '../budget/pause.sql.ts'
import type { By } from './audit.ts'
import type { ChangeContext } from './change-limit.ts'
import { demandAhead, demandProject, RefusedChangeError } from './refused-change.ts'
import { writeAudit } from './write-audit.sql.ts'

type PauseContext = Pick<ChangeContext, 'database' | 'projects'>

/**
 * Lets no order of a project be sent, or of all (`projectId` null), until `until` or until it is resumed; in force with
 * the commit, for all replicas. One that is paused already gets the new end and reason.
 * @throws {RefusedChangeError}
 */
export function pause(
  { database, projects }: PauseContext,
  projectId: string | null,
  until: Date | null,
  by: By,
): Promise<Pause> {
  const key = projectId ?? ALL_PROJECTS
  return database.prismaTransaction(async (sql) => {
    await lockChanges(sql)
    if (projectId !== null) await demandProject(sql, projectId, projects)
    await demandAhead(sql, until)
    const before = await findPause(sql, key)
    const after = await setPause(sql, key, { ...by, until })
    await writeAudit(sql, {
      ...by,
      ...{ verb: 'pause', projectId, target: null, until },
      before: told(before),
      after: told(after),
    })
    return after
  })
}

/**
 * Ends a pause. Returns that of all projects, where the project is held back by it still.
 * @throws {RefusedChangeError} when there is none to end
 */
export function resume({ database }: PauseContext, projectId: string | null, by: By): Promise<Pause | null> {
  const key = projectId ?? ALL_PROJECTS
  return database.prismaTransaction(async (sql) => {
    await lockChanges(sql)
    const before = await findPause(sql, key)
    const ofAll = projectId === null ? null : await findPause(sql, ALL_PROJECTS)
    if (before === null) {
      if (projectId === null) throw new RefusedChangeError('there is no pause of all projects')
      throw new RefusedChangeError(
        ofAll === null
          ? `project ${projectId} is not paused`
          : `project ${projectId} is paused with all others`,
      )
    }
    await removePause(sql, key)
    await writeAudit(sql, {
      ...by,
      ...{ verb: 'resume', projectId, target: null, until: null },
      before: told(before),
      after: told(null),
    })
    return ofAll
  })
}

/** A pause, as the audit keeps it. */
function told(paused: Pause | null) {
  if (paused === null) return { paused: false }
  const { since, until, reason } = paused
  return { paused: true, since: since.toISOString(), until: until?.toISOString() ?? null, reason }
}
