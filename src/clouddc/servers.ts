import { z } from 'zod'
import { cleanText } from './clean-text.ts'
import { markerOf, parseJson } from './wire.ts'

/** A physical server as ListServers shows it. */
export interface UpstreamServer {
  id: string
  /** CloudDC's word in lower case, such as `ready` or `in-use`; empty where it says nothing. */
  manageState: string
  /** Locked, for whatever reason. */
  frozen: boolean
}

export interface ServerPage {
  servers: UpstreamServer[]
  nextMarker: string | null
  /** How many there are in all, where CloudDC says so. */
  total: number | null
}

const WORD_LENGTH = 40

const word = z
  .string()
  .catch('')
  .transform((text) => cleanText(text, [], WORD_LENGTH).toLowerCase())
const whole = z.int().nonnegative()

const serverSchema = z.object({
  id: z.string().regex(/^[\x21-\x7e]{1,128}$/),
  manage_state: z.string().min(1).pipe(word),
  /** A sum of bits; 0 is none. */
  frozen_state: z
    .union([z.number(), z.string().regex(/^\d+$/).transform(Number)])
    .nullish()
    .catch(null),
})

const pageSchema = z.object({
  servers: z.array(serverSchema),
  page_info: z
    .object({ next_marker: z.string().nullish().catch(null) })
    .nullish()
    .catch(null),
  count: whole.nullish().catch(null),
})

/** State by state; one that has no server may be missing, but not all of them. */
const countsSchema = z.object({
  server_manage_state: z.record(z.string(), whole).refine((counts) => Object.keys(counts).length > 0),
})

/** A page of ListServers; null when it cannot be read, which one server without an id or a state is enough for. */
export function parseServers(text: string): ServerPage | null {
  const parsed = pageSchema.safeParse(parseJson(text))
  if (!parsed.success) return null
  const { servers, page_info, count } = parsed.data
  return {
    servers: servers.map(({ id, manage_state, frozen_state }) => ({
      id,
      manageState: manage_state,
      frozen: (frozen_state ?? 0) !== 0 || manage_state === 'frozen',
    })),
    nextMarker: markerOf(page_info?.next_marker || null),
    total: count ?? null,
  }
}

/** How many servers are ready, by the counts of all; null when these cannot be read. */
export function parseReadyCount(text: string): number | null {
  const parsed = countsSchema.safeParse(parseJson(text))
  if (!parsed.success) return null
  const ready = Object.entries(parsed.data.server_manage_state).filter(
    ([state]) => state.toLowerCase() === 'ready',
  )
  return ready.reduce((sum, [, number]) => sum + number, 0)
}
