import { z } from 'zod'
import { cleanText } from './clean-text.ts'
import { type InstanceState, instanceStateOf } from './instance-state.ts'

/*
 * CloudDC's JSON, old versions and new. Only what the service cannot do without makes an answer unreadable: the ids
 * and the list itself. Everything else may be absent, null or of another type.
 */

export interface InstanceError {
  code: string
  message: string
}

export interface InstanceStatus {
  state: InstanceState
  /** CloudDC's own word, for people. */
  upstreamState: string
  error: InstanceError | null
}

/** With CloudDC's own names. What it does not say is null. */
export interface NetworkInterface {
  subnet_id: string | null
  ipv4_address: string | null
}

export interface UpstreamInstance extends InstanceStatus {
  id: string
  /** Not unique: all instances of a batch may carry the same. */
  name: string | null
  serverId: string | null
  imageId: string | null
  /** Null where the listing has none. */
  networkInterfaces: NetworkInterface[] | null
  metadata: Record<string, string>
  description: string | null
  /** As CloudDC writes it: the format is not documented. */
  createdAt?: string
  launchedAt?: string
}

export interface InstancePage {
  instances: UpstreamInstance[]
  nextMarker: string | null
  /** How many instances the listing has on all its pages, where CloudDC says so. */
  total: number | null
}

const ID = /^[\x21-\x7e]{1,128}$/
const WORD_LENGTH = 255
const UNKNOWN = 'unknown'
/** Of an instance's error message, in UTF-16 units: one as long as this was cut, perhaps in the middle of a secret. */
export const ERROR_LENGTH = 1000
/** CloudDC gives an instance two. */
const MOST_INTERFACES = 16

const idSchema = z.string().regex(ID)
const textSchema = z
  .string()
  .nullish()
  .catch(null)
  .transform((text) => (text ? text : null))

/** A number, also where it is written as a text. */
const countSchema = z
  .union([z.number(), z.string().regex(/^\d+$/).transform(Number)])
  .pipe(z.int().nonnegative())
  .nullish()
  .catch(null)

const createdSchema = z.object({ instances: z.array(z.unknown()) })
const createdItemSchema = z.object({ id: idSchema })

const statusSchema = z.object({
  state: textSchema,
  /** What one published sample has instead of `state`. */
  status: textSchema,
  operation_state: textSchema,
  error: z.unknown().optional(),
})

const instanceSchema = statusSchema.extend({
  id: idSchema,
  name: textSchema,
  server_id: textSchema,
  image: z.object({ id: textSchema }).nullish().catch(null),
  network_interfaces: z.array(z.unknown()).nullish().catch(null),
  metadata: z.unknown().optional(),
  description: textSchema,
  created_at: textSchema,
  launched_at: textSchema,
})

const interfaceSchema = z.object({ subnet_id: textSchema, ipv4_address: textSchema })

const pageSchema = z.object({
  instances: z.array(instanceSchema),
  page_info: z.object({ next_marker: textSchema }).nullish().catch(null),
  count: countSchema,
})

const errorSchema = z.object({ error_code: textSchema, error_msg: textSchema, error_type: textSchema })

/** What a 2xx answer to batch-create names: usable ids, and how many entries are none. */
export interface NamedInstances {
  ids: string[]
  unusable: number
}

/** The instances that a 2xx answer to batch-create names; null when it has no list of them. */
export function parseCreated(text: string): NamedInstances | null {
  const parsed = createdSchema.safeParse(parseJson(text))
  if (!parsed.success) return null
  const { instances } = parsed.data
  const ids = instances.flatMap((item) => {
    const instance = createdItemSchema.safeParse(item)
    return instance.success ? [instance.data.id] : []
  })
  return { ids, unusable: instances.length - ids.length }
}

/** A page of ListInstances; null when it cannot be read, which one instance without an id is enough for. */
export function parsePage(text: string): InstancePage | null {
  const parsed = pageSchema.safeParse(parseJson(text))
  if (!parsed.success) return null
  const { instances, page_info, count } = parsed.data
  return {
    instances: instances.map(instanceOf),
    nextMarker: markerOf(page_info?.next_marker ?? null),
    total: count ?? null,
  }
}

/** The answer of ShowInstanceStatus; null when it names no state. */
export function parseStatus(text: string): InstanceStatus | null {
  const parsed = statusSchema.safeParse(parseJson(text))
  if (!parsed.success || (parsed.data.state ?? parsed.data.status) === null) return null
  return statusOf(parsed.data)
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch {
    return undefined
  }
}

/** A marker is opaque, but one that is the next page's address stands for the `marker` in its query. */
export function markerOf(marker: string | null): string | null {
  if (marker === null) return null
  const query = /^(?:https?:\/\/|\/)[^?]*(?:\?(.*))?$/i.exec(marker)
  if (query === null) return marker
  return new URLSearchParams(query[1] ?? '').get('marker') || null
}

function instanceOf(item: z.output<typeof instanceSchema>): UpstreamInstance {
  return {
    ...statusOf(item),
    id: item.id,
    name: wordOf(item.name),
    serverId: wordOf(item.server_id),
    imageId: wordOf(item.image?.id ?? null),
    networkInterfaces: interfacesOf(item.network_interfaces),
    metadata: metadataOf(item.metadata),
    description: item.description,
    ...(item.created_at === null ? {} : { createdAt: item.created_at }),
    ...(item.launched_at === null ? {} : { launchedAt: item.launched_at }),
  }
}

function statusOf(item: z.output<typeof statusSchema>): InstanceStatus {
  const upstreamState = shortOr('', item.state ?? item.status ?? '')
  return {
    state: instanceStateOf(upstreamState, item.operation_state),
    upstreamState,
    error: instanceErrorOf(item.error),
  }
}

/** A short text from outside; null also where nothing readable is left of it. */
function wordOf(text: string | null): string | null {
  return text === null ? null : cleanText(text, [], WORD_LENGTH) || null
}

function interfacesOf(list: readonly unknown[] | null | undefined): NetworkInterface[] | null {
  if (list === null || list === undefined) return null
  return list.slice(0, MOST_INTERFACES).flatMap((item) => {
    const parsed = interfaceSchema.safeParse(item)
    if (!parsed.success) return []
    const { subnet_id, ipv4_address } = parsed.data
    return [{ subnet_id: wordOf(subnet_id), ipv4_address: wordOf(ipv4_address) }]
  })
}

/** A map; the first published version also knew a list of maps. */
function metadataOf(value: unknown): Record<string, string> {
  const maps: unknown[] = Array.isArray(value) ? value : [value]
  const pairs = maps.flatMap((map) => (typeof map === 'object' && map !== null ? Object.entries(map) : []))
  return Object.fromEntries(pairs.filter((pair): pair is [string, string] => typeof pair[1] === 'string'))
}

function instanceErrorOf(value: unknown): InstanceError | null {
  if (typeof value === 'string' && value !== '') {
    return { code: UNKNOWN, message: messageOf(value) }
  }
  const parsed = errorSchema.safeParse(value)
  if (!parsed.success) return null
  const { error_code: code, error_msg: message, error_type: type } = parsed.data
  if (code === null && message === null && type === null) return null
  return {
    code: shortOr(UNKNOWN, code ?? type ?? UNKNOWN),
    message: messageOf(message ?? ''),
  }
}

/** A word whole, or `other` where it is too long for one: half of it could be half of a secret. */
function shortOr(other: string, text: string): string {
  const word = cleanText(text, [], Number.POSITIVE_INFINITY)
  return word.length > WORD_LENGTH ? other : word
}

function messageOf(text: string): string {
  return cleanText(text, [], Number.POSITIVE_INFINITY).slice(0, ERROR_LENGTH).toWellFormed()
}
