import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import { createLoop, type Loop } from '../runtime/run-loop.ts'
import { addBoots, type BootCurve, curveOf, quantilesOf } from './boot-curve.ts'
import { type CurveKey, readCurves, writeCurves } from './boot-curves.sql.ts'

/** Boot times are gathered for so long, and curves asked for, in milliseconds. */
const GATHER_MS = 5000
const ASK_MS = 200
/** A curve in use is read again after this. */
const FRESH_MS = 60_000
/** Curves in memory, and boot times gathered of each; beyond they are left out. */
const MOST_CURVES = 2000
const MOST_GATHERED = 500
/** Keys of one statement. */
const PAGE = 200
const IDLE_MS = 3_600_000

export interface BootCurves extends Loop {
  /** The curve of an image in a project; null while none is known, also for a moment until it is read. */
  of(key: CurveKey): BootCurve | null
  /** An instance took so long to run, in milliseconds. */
  learn(key: CurveKey, bootMs: number): void
}

interface Entry extends CurveKey {
  curve: BootCurve | null
  readAt: number
  /** Somebody has asked for it since it was stale. */
  wanted: boolean
  gathered: number[]
}

/**
 * What instances took to run, by project and image: learned by every replica, kept in the database, and remembered here
 * for those in use. Two replicas that write the same curve at the same instant may lose what one of them has seen; a
 * statistic does not mind.
 */
export function createBootCurves({ database, logger }: { database: Database; logger: Logger }): BootCurves {
  /** By key, the least lately used first. */
  const entries = new Map<string, Entry>()

  const entryOf = ({ projectId, imageId }: CurveKey): Entry => {
    const key = `${projectId}/${imageId}`
    const entry = entries.get(key) ?? {
      projectId,
      imageId,
      curve: null,
      readAt: Number.NEGATIVE_INFINITY,
      wanted: false,
      gathered: [],
    }
    entries.delete(key)
    entries.set(key, entry)
    const [oldest] = entries.keys()
    if (entries.size > MOST_CURVES && oldest !== undefined) entries.delete(oldest)
    return entry
  }

  /** Reads curves anew, adds what was gathered, and writes those. */
  const refresh = async (page: readonly Entry[]) => {
    const known = await readCurves(database, page)
    const countsOf = new Map(known.map((row) => [`${row.projectId}/${row.imageId}`, row.counts]))
    const grown = page.map((entry) => {
      const gathered = entry.gathered.splice(0)
      const counts = addBoots(countsOf.get(`${entry.projectId}/${entry.imageId}`) ?? [], gathered)
      return { entry, gathered, counts }
    })
    const changed = grown.filter(({ gathered }) => gathered.length > 0)
    try {
      if (changed.length > 0)
        await writeCurves(
          database,
          changed.map(({ entry: { projectId, imageId }, counts }) => ({
            projectId,
            imageId,
            counts,
            quantilesMs: quantilesOf(counts),
          })),
        )
    } catch (error) {
      for (const { entry, gathered } of changed) entry.gathered.push(...gathered)
      throw error
    }
    for (const { entry, counts } of grown) {
      entry.curve = curveOf(counts)
      entry.readAt = performance.now()
      entry.wanted = false
    }
  }

  const loop = createLoop({
    name: 'boot curves',
    logger,
    idleMs: IDLE_MS,
    gapMs: ASK_MS,
    runOnce: async () => {
      const due = [...entries.values()].filter(({ wanted, gathered }) => wanted || gathered.length > 0)
      if (due.length > 0) await refresh(due.slice(0, PAGE))
      return due.length > PAGE ? { again: true } : { again: false }
    },
    onStop: async () => {
      const left = [...entries.values()].filter(({ gathered }) => gathered.length > 0)
      if (left.length > 0) await refresh(left.slice(0, PAGE))
    },
  })
  return {
    ...loop,
    of: (key) => {
      const entry = entryOf(key)
      if (performance.now() - entry.readAt > FRESH_MS) {
        entry.wanted = true
        loop.wake(ASK_MS)
      }
      return entry.curve
    },
    learn: (key, bootMs) => {
      const { gathered } = entryOf(key)
      if (gathered.length < MOST_GATHERED) gathered.push(bootMs)
      loop.wake(GATHER_MS)
    },
  }
}
