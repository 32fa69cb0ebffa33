import { claimDoubts } from '../attempt/claim-doubts.sql.ts'
import { type DueAudits, findDueAudits } from '../attempt/due-audits.sql.ts'
import type { Database } from '../database/database.ts'
import type { ListingPace } from './listing-pace.ts'
import type { ProjectClaim } from './project-look.ts'

/** How often due audits are looked for when nothing else is to be listed. */
const AUDITS_EVERY_MS = 1000

/**
 * Claims doubts that are due for a look, by project, with the audits that one listing serves as well. A claim moves its
 * doubts on by `moveOnMs`, which is the cost of a replica that dies in mid-look.
 */
export function createProjectClaims({
  database,
  pace,
  looksAtOnce,
  moveOnMs,
}: {
  database: Database
  pace: ListingPace
  looksAtOnce: number
  moveOnMs: number
}) {
  let auditsLookedForAt = Number.NEGATIVE_INFINITY

  /** Audits that are due, and those still gathered if their project is listed anyway. */
  const dueAudits = async (
    listed: ReadonlySet<string>,
    { exceptProjects, limit }: { exceptProjects: readonly string[]; limit: number },
  ): Promise<DueAudits[]> => {
    const now = performance.now()
    if (listed.size === 0 && now - auditsLookedForAt < AUDITS_EVERY_MS) return []
    auditsLookedForAt = now
    const gathering = pace.gathering().filter((projectId) => !listed.has(projectId))
    return findDueAudits(database, { exceptProjects: [...exceptProjects, ...gathering], limit })
  }

  /** One claim for each project; `lookedAt` are those whose look is under way. */
  return async (lookedAt: readonly string[]): Promise<ProjectClaim[]> => {
    const tooSlow = pace.tooSlow(lookedAt, looksAtOnce)
    const exceptProjects = [...new Set([...lookedAt, ...pace.resting(), ...tooSlow])]
    const maxProjects = looksAtOnce - lookedAt.length
    const doubts = await claimDoubts(database, { exceptProjects, maxProjects, moveOnMs })
    const claimedAt = performance.now()
    const byProject = Map.groupBy(doubts, ({ projectId }) => projectId)
    const audits = await dueAudits(new Set(byProject.keys()), { exceptProjects, limit: maxProjects })
    const auditsOf = new Map(audits.map((due) => [due.projectId, due]))
    return [...new Set([...byProject.keys(), ...auditsOf.keys()])].map((projectId) => ({
      projectId,
      doubts: byProject.get(projectId) ?? [],
      audits: auditsOf.get(projectId) ?? null,
      claimedAt,
    }))
  }
}
