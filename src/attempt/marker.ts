import type { ProvisionSpec } from '../contracts/spec.ts'

/** The metadata key that holds an attempt's id. */
export const MARKER_KEY = 'provisioner-attempt'

const MAX_METADATA_PAIRS = 10
const MAX_DESCRIPTION_LENGTH = 255
const UUID_LENGTH = 36

/** Where an attempt's id goes, so that its instances can be found again. */
export type MarkerPlace = 'metadata' | 'description' | 'none'

export interface Marker {
  key: string
  /** The attempt's id. */
  value: string
  place: MarkerPlace
}

/** A spec as intake has stored it: a {@link ProvisionSpec}. */
export type StoredSpec = Readonly<Record<string, unknown>>

/**
 * The place that a request leaves for the marker: metadata, unless all 10 pairs or this very key are taken; then the
 * end of the description, if it fits; else none, and an attempt of this request can only be matched by hand.
 */
export function markerPlace(stored: StoredSpec): MarkerPlace {
  const { metadata = {}, description = '' } = stored as ProvisionSpec
  if (Object.keys(metadata).length < MAX_METADATA_PAIRS && !Object.hasOwn(metadata, MARKER_KEY))
    return 'metadata'
  const marked = [...markDescription(description, MARKER_KEY, '')].length + UUID_LENGTH
  return marked <= MAX_DESCRIPTION_LENGTH ? 'description' : 'none'
}

export function markDescription(description: string, key: string, value: string): string {
  const mark = `${key}:${value}`
  return description === '' ? mark : `${description} ${mark}`
}

const MARK_AT_END = new RegExp(`(?:^| )${MARKER_KEY}:([0-9a-f-]{${UUID_LENGTH}})$`)

/** The ids that an instance carries where buildBatchCreateBody puts them; a sender may have written others there. */
export function attemptMarkers(instance: {
  metadata: Readonly<Record<string, string>>
  description: string | null
}): string[] {
  const inMetadata = Object.hasOwn(instance.metadata, MARKER_KEY) ? instance.metadata[MARKER_KEY] : undefined
  const inDescription = MARK_AT_END.exec(instance.description ?? '')?.[1]
  return [inMetadata, inDescription].filter((id) => id !== undefined)
}
