/** With so much room a project is far from its cap: more than all replicas together store while a count is good for. */
const FAR_ROOM = 10_000
/** How long a count is good for, far from the cap, in milliseconds. */
const FAR_MS = 1000
/** At the cap: as long as it keeps counting at a tenth of the time, at most FAR_MS. */
const FULL_FACTOR = 10
/** Beyond so many entries, those that are over are dropped. */
const SWEEP_ABOVE = 1000

export interface RoomMemory {
  /** Keeps what a count has told, if it is good for more than one batch. `tookMs`: what the count has cost. */
  note(projectId: string, room: number, tookMs: number): void
  /** Known to be far from its cap. */
  isFree(projectId: string): boolean
  /** Known to be at its cap. */
  isFull(projectId: string): boolean
}

/** What counts of a moment ago still tell of projects. A project between far and full is counted for each batch. */
export function createRoomMemory(now: () => number = () => performance.now()): RoomMemory {
  const known = new Map<string, { full: boolean; until: number }>()

  const get = (projectId: string) => {
    const found = known.get(projectId)
    return found !== undefined && now() < found.until ? found : undefined
  }

  return {
    note: (projectId, room, tookMs) => {
      known.delete(projectId)
      if (room === 0)
        known.set(projectId, { full: true, until: now() + Math.min(FAR_MS, FULL_FACTOR * tookMs) })
      else if (room >= FAR_ROOM) known.set(projectId, { full: false, until: now() + FAR_MS })
      if (known.size > SWEEP_ABOVE) for (const [id, { until }] of known) if (until <= now()) known.delete(id)
    },
    isFree: (projectId) => get(projectId)?.full === false,
    isFull: (projectId) => get(projectId)?.full === true,
  }
}
