import { CloudDcUnexpectedError } from './errors.ts'
import type { InstancePage, UpstreamInstance } from './wire.ts'

/** What one listing may hold: one that CloudDC never ends must cost us neither our memory nor all our time. */
export interface ListingBounds {
  pages: number
  instances: number
  /** Of the texts of all instances, which nothing else bounds. */
  characters: number
}

const BOUNDS: ListingBounds = { pages: 10_000, instances: 100_000, characters: 64 * 1024 * 1024 }

/**
 * Every instance of a listing, each once. It stops at an absent, empty or repeated marker and at an empty page, never
 * at a short one. Throws what `page` throws, and CloudDcUnexpectedError when the listing may not be complete, since an
 * absence is believed: complete is what ended without a marker and holds no fewer instances than CloudDC counts. Where
 * a marker was left over, only a count that was reached proves that nothing is missing.
 */
export async function collectPages(
  page: (marker: string | undefined) => Promise<InstancePage>,
  bounds: ListingBounds = BOUNDS,
): Promise<UpstreamInstance[]> {
  const instances = new Map<string, UpstreamInstance>()
  const markers = new Set<string>()
  // Instances come and go while the pages are read, so the counts of two pages may differ.
  let lowest = Number.POSITIVE_INFINITY
  let highest = 0
  let characters = 0
  let marker: string | undefined
  for (let pages = 1; ; pages += 1) {
    const { instances: found, nextMarker, total } = await page(marker)
    for (const instance of found) {
      characters += lengthOf(instance)
      instances.set(instance.id, instance)
    }
    if (total !== null) {
      lowest = Math.min(lowest, total)
      highest = Math.max(highest, total)
    }
    const held = `the listing holds ${instances.size} instances`
    if (nextMarker === null) {
      if (Number.isFinite(lowest) && instances.size < lowest)
        throw new CloudDcUnexpectedError(`${held}, yet counts ${lowest}`)
      break
    }
    if (found.length === 0 || markers.has(nextMarker)) {
      if (highest > 0 && instances.size >= highest) break
      throw new CloudDcUnexpectedError(`${held}, and its marker leads no further`)
    }
    if (pages >= bounds.pages || instances.size > bounds.instances || characters > bounds.characters)
      throw new CloudDcUnexpectedError(`${held} on ${pages} pages, and goes on: that is more than is read`)
    markers.add(nextMarker)
    marker = nextMarker
  }
  return [...instances.values()]
}

function lengthOf({ description, metadata }: UpstreamInstance): number {
  return Object.entries(metadata).reduce(
    (sum, [key, value]) => sum + key.length + value.length,
    description?.length ?? 0,
  )
}
