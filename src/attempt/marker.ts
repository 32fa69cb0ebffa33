import { MAX_METADATA_PAIRS, type ProvisionSpec } from '../contracts/spec.ts'

/** The metadata key that holds the marker, and the word before it in a description. */
export const MARKER_KEY = 'provisioner-attempt'

const MAX_DESCRIPTION_LENGTH = 255

/** What a marker says of the attempt that created an instance. */
export interface AttemptName {
  /** The request's row. */
  provisionRequestId: string
  /** 1, 2, ... over all attempts of the request. */
  attempt: number
  /** Eight of a-z and 0-9: which installation of the service made it. Null in a short marker. */
  installation: string | null
  /** The request's id as its sender knows it. Null in a short marker. */
  requestId: string | null
}

/** An attempt's name as its instances carry it. */
export interface Marker {
  /** `<request uuid>.<attempt number>/<installation>/<request_id>` */
  whole: string
  /** The first part alone: `<request uuid>.<attempt number>`. */
  short: string
}

/** A spec as intake has stored it: a {@link ProvisionSpec}. */
export type StoredSpec = Readonly<Record<string, unknown>>

/** Where a call writes its marker, and as what. */
export type WrittenMarker =
  | { place: 'metadata' | 'description'; text: string }
  /** There was no room: its instances can only be matched by hand. */
  | { place: 'none'; text: null }

/** What an instance shows of the call that created it. */
export interface Marked {
  metadata: Readonly<Record<string, string>>
  description: string | null
}

/** A marker on an instance, or a text of the sender's that looks the same. */
export interface CarriedMarker extends AttemptName {
  place: 'metadata' | 'description'
  text: string
}

/** An attempt among all others: `<request uuid>.<attempt number>`. */
export function attemptKey({
  provisionRequestId,
  attempt,
}: Pick<AttemptName, 'provisionRequestId' | 'attempt'>): string {
  return `${provisionRequestId}.${attempt}`
}

export function attemptMarker(name: {
  provisionRequestId: string
  attempt: number
  installation: string
  requestId: string
}): Marker {
  const short = attemptKey(name)
  return { whole: `${short}/${name.installation}/${name.requestId}`, short }
}

/**
 * The place that a request leaves for the marker: metadata, unless all 10 pairs or this very key are taken; then the
 * end of the description, whole if it fits into 255 characters, else short; else none.
 */
export function placeMarker(stored: StoredSpec, { whole, short }: Marker): WrittenMarker {
  const { metadata = {}, description = '' } = stored as ProvisionSpec
  if (Object.keys(metadata).length < MAX_METADATA_PAIRS && !Object.hasOwn(metadata, MARKER_KEY))
    return { place: 'metadata', text: whole }
  const text = [whole, short].find(
    (one) => [...markDescription(description, one)].length <= MAX_DESCRIPTION_LENGTH,
  )
  return text === undefined ? { place: 'none', text: null } : { place: 'description', text }
}

export function markDescription(description: string, text: string): string {
  const mark = `${MARKER_KEY}:${text}`
  return description === '' ? mark : `${description} ${mark}`
}

const SHORT = String.raw`([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([1-9][0-9]{0,8})`
const WHOLE = new RegExp(`^${SHORT}/([a-z0-9]{8})/([A-Za-z0-9._:~-]{1,128})$`)
const SHORT_ALONE = new RegExp(`^${SHORT}$`)
const AT_END = new RegExp(`(?:^| )${MARKER_KEY}:([^ ]+)$`)

/** Null for a text that is no marker. */
export function parseMarker(text: string): AttemptName | null {
  const [, provisionRequestId, number, installation = null, requestId = null] =
    WHOLE.exec(text) ?? SHORT_ALONE.exec(text) ?? []
  if (provisionRequestId === undefined) return null
  return { provisionRequestId, attempt: Number(number), installation, requestId }
}

/** The markers that an instance carries where a call may have written one; in metadata only whole ones count. */
export function carriedMarkers({ metadata, description }: Marked): CarriedMarker[] {
  const inMetadata = Object.hasOwn(metadata, MARKER_KEY) ? metadata[MARKER_KEY] : undefined
  const inDescription = AT_END.exec(description ?? '')?.[1]
  return [
    ...carried('metadata', inMetadata).filter(({ installation }) => installation !== null),
    ...carried('description', inDescription),
  ]
}

/** The same, without what the sender of `stored` has written there himself. */
export function markersBeside(stored: StoredSpec, instance: Marked): CarriedMarker[] {
  const { metadata = {}, description = '' } = stored as ProvisionSpec
  const theirs = carriedMarkers({ metadata, description })
  return carriedMarkers(instance).filter(
    ({ place, text }) => !theirs.some((own) => own.place === place && own.text === text),
  )
}

function carried(place: 'metadata' | 'description', text: string | undefined): CarriedMarker[] {
  const name = text === undefined ? null : parseMarker(text)
  return text === undefined || name === null ? [] : [{ place, text, ...name }]
}
