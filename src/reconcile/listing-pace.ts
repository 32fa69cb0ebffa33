import type { ProjectListing } from './project-listing.ts'

/** Looks take at most this part of a project's call budget, unless they are rarer than MAX_REST_MS. */
const BUDGET_PART = 0.1
const MAX_REST_MS = 5000
/** Audits hold up nobody: they gather for longer, and one listing serves all of them. */
const AUDIT_PART = 0.01
const MAX_AUDIT_REST_MS = 3_600_000

/**
 * When each project may be listed next. A listing gives its project a rest in proportion to what it cost, and audits a
 * longer one. The times are this process's own, in milliseconds.
 */
export function createListingPace(now: () => number = () => performance.now()) {
  /** By project, until when it is left alone, and until when its audits are. */
  const resting = new Map<string, number>()
  const gathering = new Map<string, number>()
  /** Listings in a row that failed. */
  const failures = new Map<string, number>()

  const putOff = (projectId: string, ms: number) => {
    resting.set(projectId, now() + ms)
  }

  return {
    putOff,
    listed: (
      projectId: string,
      { calls, refillPerSecond }: Pick<ProjectListing, 'calls' | 'refillPerSecond'>,
    ) => {
      const costMs = (calls / refillPerSecond) * 1000
      putOff(projectId, Math.min(MAX_REST_MS, costMs / BUDGET_PART))
      gathering.set(projectId, now() + Math.min(MAX_AUDIT_REST_MS, costMs / AUDIT_PART))
      failures.delete(projectId)
    },
    /** Counts a failed listing; returns how many there were in a row. */
    failed: (projectId: string): number => {
      const count = (failures.get(projectId) ?? 0) + 1
      failures.set(projectId, count)
      return count
    },
    resting: () => still(resting, now()),
    /** Projects whose audits are still gathered. */
    gathering: () => still(gathering, now()),
  }
}

function still(until: Map<string, number>, now: number): string[] {
  for (const [projectId, time] of until) if (time <= now) until.delete(projectId)
  return [...until.keys()]
}
