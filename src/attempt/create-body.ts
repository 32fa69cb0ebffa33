import type { ProvisionSpec } from '../contracts/spec.ts'
import { MARKER_KEY, type Marker, markDescription, placeMarker, type StoredSpec } from './marker.ts'

/**
 * The body of batch-create. Without a placement it always holds both counts, beside a placement neither.
 */
export function buildBatchCreateBody(stored: StoredSpec, password: string, marker: Marker): string {
  const { metadata, description, placement, ...spec } = stored as ProvisionSpec
  const { place, text } = placeMarker(stored, marker)
  return JSON.stringify({
    name: spec.name,
    image_id: spec.image_id,
    vpc_id: spec.vpc_id,
    network_interfaces: spec.network_interfaces,
    password,
    metadata: place === 'metadata' ? { ...metadata, [MARKER_KEY]: text } : metadata,
    description: place === 'description' ? markDescription(description ?? '', text) : description,
    ...(placement ? { placement } : { min_count: spec.min_count, max_count: spec.max_count }),
  })
}
