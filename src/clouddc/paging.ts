import { CloudDcUnexpectedError } from './errors.ts'
import type { InstancePage, UpstreamInstance } from './wire.ts'

/** The code of a listing that ended, or had to be ended, before it had shown everything. */
const LISTING_INCOMPLETE = 'LISTING_INCOMPLETE'

/** What one listing may hold: one that CloudDC never ends must not exhaust memory or time. */
export interface ListingBounds {
  pages: number
  /** Also such as are not kept. */
  instances: number
  /** Of the texts of the instances kept, which nothing else bounds. */
  characters: number
}

const BOUNDS: ListingBounds = { pages: 10_000, instances: 100_000, characters: 16 * 1024 * 1024 }

/** A complete listing. */
export interface Listing {
  /** Those that were to be kept, each once. */
  instances: UpstreamInstance[]
  /** How many there are in all. */
  size: number
}

/**
 * Reads a listing page by page, and keeps of each what `keep` chooses. It stops at an absent, empty or repeated
 * marker and at an empty page, never at a short one. Throws what `page` throws, and CloudDcUnexpectedError when the
 * listing may not be complete, since an absence is believed: complete is what ended without a marker and holds no
 * fewer instances than CloudDC counts. Where a marker was left over, only a count that was reached proves that
 * nothing is missing.
 */
export async function collectPages(
  page: (marker: string | undefined) => Promise<InstancePage>,
  keep: (instance: UpstreamInstance) => boolean = () => true,
  bounds: ListingBounds = BOUNDS,
): Promise<Listing> {
  const ids = new Set<string>()
  const kept = new Map<string, UpstreamInstance>()
  const markers = new Set<string>()
  // Instances come and go while the pages are read, so the counts of two pages may differ.
  let lowest = Number.POSITIVE_INFINITY
  let highest = 0
  let characters = 0
  let marker: string | undefined
  for (let pages = 1; ; pages += 1) {
    const { instances: found, nextMarker, total } = await page(marker)
    for (const instance of found) {
      ids.add(instance.id)
      if (!keep(instance)) continue
      characters += lengthOf(instance)
      kept.set(instance.id, instance)
    }
    if (total !== null) {
      lowest = Math.min(lowest, total)
      highest = Math.max(highest, total)
    }
    const incomplete = (why: string) => {
      const message = `the listing holds ${ids.size} instances ${why}`
      return new CloudDcUnexpectedError(message, { code: LISTING_INCOMPLETE })
    }
    if (nextMarker === null) {
      if (Number.isFinite(lowest) && ids.size < lowest) throw incomplete(`and counts ${lowest}`)
      break
    }
    if (found.length === 0 || markers.has(nextMarker)) {
      if (highest > 0 && ids.size >= highest) break
      throw incomplete('and its marker leads no further')
    }
    if (pages >= bounds.pages || ids.size > bounds.instances || characters > bounds.characters)
      throw incomplete(`on ${pages} pages and goes on: that is more than is read`)
    markers.add(nextMarker)
    marker = nextMarker
  }
  return { instances: [...kept.values()], size: ids.size }
}

function lengthOf({ description, metadata }: UpstreamInstance): number {
  return Object.entries(metadata).reduce(
    (sum, [key, value]) => sum + key.length + value.length,
    description?.length ?? 0,
  )
}
