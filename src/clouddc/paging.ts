import { CloudDcUnexpectedError } from './errors.ts'
import type { InstancePage, UpstreamInstance } from './wire.ts'

/** Ten million instances: an upstream that never ends a listing must not keep us for ever. */
const MAX_PAGES = 10_000

/**
 * Every instance of a listing, each once. It ends at an absent, empty or repeated marker and at an empty page, never
 * at a short one. Throws what `page` throws, and CloudDcUnexpectedError when CloudDC counts more instances than its
 * pages held: an absence is believed only of a listing that is complete.
 */
export async function collectPages(
  page: (marker: string | undefined) => Promise<InstancePage>,
): Promise<UpstreamInstance[]> {
  const instances = new Map<string, UpstreamInstance>()
  const markers = new Set<string>()
  // The lowest count of all pages: instances made while the pages are read are not missed.
  let total = Number.POSITIVE_INFINITY
  let marker: string | undefined
  for (let pages = 0; ; pages += 1) {
    if (pages === MAX_PAGES) throw new CloudDcUnexpectedError(`the listing goes on after ${MAX_PAGES} pages`)
    const { instances: found, nextMarker, total: counted } = await page(marker)
    for (const instance of found) instances.set(instance.id, instance)
    if (counted !== null) total = Math.min(total, counted)
    if (found.length === 0 || nextMarker === null || markers.has(nextMarker)) break
    markers.add(nextMarker)
    marker = nextMarker
  }
  if (Number.isFinite(total) && instances.size < total) {
    throw new CloudDcUnexpectedError(`the listing holds ${instances.size} instances, yet counts ${total}`)
  }
  return [...instances.values()]
}
