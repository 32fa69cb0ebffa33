import type { ProjectListing } from './project-listing.ts'

/** Looks take at most this part of a project's call budget, unless they are rarer than MAX_REST_MS. */
const BUDGET_PART = 0.1
const MAX_REST_MS = 5000
/** Nobody waits for audits: they are gathered for longer, and one listing serves them all. */
const AUDIT_PART = 0.01
const MAX_AUDIT_REST_MS = 3_600_000

/** How long a listing may take: at first, and at most, doubled each time it was not enough. */
const LIMIT_MS = 30_000
const MAX_LIMIT_MS = 900_000
/** How many of all listings at once may be of slow projects. */
const SLOW_PART = 0.5

export type ListingPace = ReturnType<typeof createListingPace>

/**
 * When each project may be listed next. A listing gives its project a rest in proportion to what it cost, and audits a
 * longer one. One that took too long is slow, and is given longer the next time. The times are this process's own, in
 * milliseconds.
 */
export function createListingPace({ now = () => performance.now(), limitMs = LIMIT_MS } = {}) {
  /** By project, until when it is left alone, and until when its audits are. */
  const resting = new Map<string, number>()
  const gathering = new Map<string, number>()
  /** Listings in a row that failed. */
  const failures = new Map<string, number>()
  /** Listings since the last complete one that took too long. */
  const overruns = new Map<string, number>()

  const postpone = (projectId: string, ms: number) => {
    resting.set(projectId, now() + ms)
  }

  return {
    postpone,
    listed: (
      projectId: string,
      { calls, refillPerSecond }: Pick<ProjectListing, 'calls' | 'refillPerSecond'>,
    ) => {
      const costMs = (calls / refillPerSecond) * 1000
      postpone(projectId, Math.min(MAX_REST_MS, costMs / BUDGET_PART))
      gathering.set(projectId, now() + Math.min(MAX_AUDIT_REST_MS, costMs / AUDIT_PART))
      failures.delete(projectId)
      overruns.delete(projectId)
    },
    /** Counts a failed listing, and whether it took too long; returns how many failed in a row. */
    failed: (projectId: string, { overran = false } = {}): number => {
      if (overran) overruns.set(projectId, (overruns.get(projectId) ?? 0) + 1)
      const count = (failures.get(projectId) ?? 0) + 1
      failures.set(projectId, count)
      return count
    },
    /** Milliseconds that the project's next listing may take. */
    limitMs: (projectId: string) => Math.min(MAX_LIMIT_MS, limitMs * 2 ** (overruns.get(projectId) ?? 0)),
    /**
     * Slow projects that must wait, while so many others of those that are listed now are slow: all get their turn.
     */
    tooSlow: (listed: readonly string[], listedAtOnce: number): string[] => {
      const slow = listed.filter((projectId) => overruns.has(projectId)).length
      return slow < Math.max(1, listedAtOnce * SLOW_PART) ? [] : [...overruns.keys()]
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
