import { z } from 'zod'
import type { LookMemory } from './verdict.ts'

/** Looks kept in a doubt's evidence: the first ones say little, the last ones decide. */
const LOOKS_KEPT = 20

const lookSchema = z.looseObject({
  at: z.string(),
  /** How long the outcome had been unknown when the listing began. */
  after_ms: z.number(),
  /** Instances in the listing; absent when it failed. */
  listed: z.number().optional(),
  found: z.number().optional(),
  lookalikes: z.array(z.string()).optional(),
  verdict: z.string().optional(),
  error: z.string().optional(),
  /** Looks in a row that failed in the same way. */
  times: z.number().optional(),
})

const reconcilingSchema = z.object({
  found: z.array(z.string()),
  agreed: z.number(),
  looks: z.array(lookSchema),
  look_count: z.number(),
  /** The log has said that only a person can resolve it. */
  alarmed: z.boolean().optional(),
})

export type LookRecord = z.infer<typeof lookSchema>
type Reconciling = z.infer<typeof reconcilingSchema>

const NOTHING: Reconciling = { found: [], agreed: 0, looks: [], look_count: 0 }

/** What a doubt's evidence (OpenDoubt) says about earlier looks. */
export function readEvidence(evidence: unknown): Omit<LookMemory, 'listingsWithout'> & { alarmed: boolean } {
  const { found, agreed, alarmed = false } = reconcilingOf(evidence)
  return { found, agreed, alarmed }
}

/** The part of the evidence that looks have found: what is kept while the doubt lasts (look.evidence). */
export function foundBy(evidence: unknown): { reconciling: unknown } {
  return { reconciling: reconcilingOf(evidence) }
}

/** The instances with the attempt's marker, where the last complete listing held any: they exist. */
export function heldByLastListing(evidence: unknown): readonly string[] {
  const { looks, found } = reconcilingOf(evidence)
  const last = looks.findLast(({ listed }) => listed !== undefined)
  return (last?.found ?? 0) > 0 ? found : []
}

/** How many looks there have been. */
export function lookCount(evidence: unknown): number {
  return reconcilingOf(evidence).look_count
}

/** What the last look came to: its verdict, or the error that ended it; null before the first. */
export function lastLook(evidence: unknown): string | null {
  const last = reconcilingOf(evidence).looks.at(-1)
  return last?.error ?? last?.verdict ?? null
}

/** The evidence that a settled doubt leaves in the history. */
export function settledEvidence(
  evidence: Record<string, unknown>,
  listingsWithout: number,
): Record<string, unknown> {
  return listingsWithout === 0 ? evidence : { ...evidence, listings_without: listingsWithout }
}

/** The database's time so many milliseconds after an outcome became unknown: what is kept has the time of one clock. */
export function timeAfter({ uncertainAt }: { uncertainAt: Date }, afterMs: number): string {
  return new Date(uncertainAt.getTime() + afterMs).toISOString()
}

/** The evidence with one more look. The reason why the outcome was unknown stays in it. */
export function addLook(
  evidence: unknown,
  look: LookRecord,
  update: Partial<Pick<Reconciling, 'found' | 'agreed' | 'alarmed'>> = {},
): Record<string, unknown> {
  const before = reconcilingOf(evidence)
  const last = before.looks.at(-1)
  const repeats = look.error !== undefined && last?.error === look.error
  const looks = repeats
    ? [...before.looks.slice(0, -1), { ...look, times: (last.times ?? 1) + 1 }]
    : [...before.looks, look].slice(-LOOKS_KEPT)
  return {
    ...membersOf(evidence),
    reconciling: { ...before, ...update, looks, look_count: before.look_count + 1 },
  }
}

function reconcilingOf(evidence: unknown): Reconciling {
  const parsed = reconcilingSchema.safeParse(membersOf(evidence).reconciling)
  return parsed.success ? parsed.data : NOTHING
}

/** The members of stored evidence; none where it is no object. */
export function membersOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}
