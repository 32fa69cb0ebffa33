import type { ProvisionSpec } from '../contracts/spec.ts'
import { type Marker, markDescription, type StoredSpec } from './marker.ts'

/**
 * The body of batch-create. Without a placement it always holds both counts, beside a placement neither.
 */
export function buildBatchCreateBody(stored: StoredSpec, password: string, marker: Marker): string {
  const { metadata, description, placement, ...spec } = stored as ProvisionSpec
  const { key, value, place } = marker
  return JSON.stringify({
    name: spec.name,
    image_id: spec.image_id,
    vpc_id: spec.vpc_id,
    network_interfaces: spec.network_interfaces,
    password,
    metadata: place === 'metadata' ? { ...metadata, [key]: value } : metadata,
    description: place === 'description' ? markDescription(description ?? '', key, value) : description,
    ...(placement ? { placement } : { min_count: spec.min_count, max_count: spec.max_count }),
  })
}
