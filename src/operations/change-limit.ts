import {
  findOverride,
  type LimitOverride,
  lockChanges,
  removeOverride,
  setOverride,
} from '../budget/limit-override.sql.ts'
import type { LimitsInForce } from '../budget/limits-in-force.ts'
import type { CallLimit } from '../budget/token-bucket.ts'
import type { Database } from '../database/database.ts'
import type { By } from './audit.ts'
import { demandAhead, demandProject, RefusedChangeError } from './refused-change.ts'
import { writeAudit } from './write-audit.sql.ts'

export interface ChangeContext {
  database: Pick<Database, 'prismaTransaction'>
  limitsInForce: Pick<LimitsInForce, 'apply'>
  /** The configured limit of a project. */
  limitOf: (projectId: string) => CallLimit
  /** Projects that may order. */
  projects: ReadonlySet<string> | '*'
}

/** A project's limit from now on; `override` null where it is the configured one. */
export interface ChangedLimit {
  projectId: string
  configured: CallLimit
  override: LimitOverride | null
}

/**
 * Sets a project's limit until `until`, or until it is removed, whatever is configured; in force with the commit, for all
 * replicas.
 * @throws {RefusedChangeError}
 */
export async function setLimit(
  { database, limitsInForce, limitOf, projects }: ChangeContext,
  projectId: string,
  limit: CallLimit & { until: Date | null },
  by: By,
): Promise<ChangedLimit> {
  const configured = limitOf(projectId)
  const override = await database.prismaTransaction(async (sql) => {
    await lockChanges(sql)
    await demandProject(sql, projectId, projects)
    await demandAhead(sql, limit.until)
    const before = await findOverride(sql, projectId)
    const set = await setOverride(sql, projectId, { ...limit, ...by })
    await limitsInForce.apply(sql, [projectId])
    await writeAudit(sql, {
      ...by,
      ...{ verb: 'limit.set', projectId, target: null, until: limit.until },
      before: told(before, configured),
      after: told(set, configured),
    })
    return set
  })
  return { projectId, configured, override }
}

/**
 * Makes the configured limit count again.
 * @throws {RefusedChangeError} when nobody has set another
 */
export async function removeLimit(
  { database, limitsInForce, limitOf }: ChangeContext,
  projectId: string,
  by: By,
): Promise<ChangedLimit> {
  const configured = limitOf(projectId)
  await database.prismaTransaction(async (sql) => {
    await lockChanges(sql)
    const before = await findOverride(sql, projectId)
    if (before === null) throw new RefusedChangeError(`project ${projectId} has the configured limit`)
    await removeOverride(sql, projectId)
    await limitsInForce.apply(sql, [projectId])
    await writeAudit(sql, {
      ...by,
      ...{ verb: 'limit.remove', projectId, target: null, until: null },
      before: told(before, configured),
      after: told(null, configured),
    })
  })
  return { projectId, configured, override: null }
}

/** A limit, as the audit keeps it. */
function told(override: LimitOverride | null, configured: CallLimit) {
  if (override === null)
    return { configured: true, per_second: configured.perSecond, burst: configured.burst }
  const { perSecond, burst, until } = override
  return { configured: false, per_second: perSecond, burst, until: until?.toISOString() ?? null }
}
