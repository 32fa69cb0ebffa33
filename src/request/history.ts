import type { RequestState } from './provision-request.ts'

/** What became of an attempt of batch-create. */
export type AttemptOutcome = 'created' | 'not_created' | 'uncertain' | 'adopted' | 'void'

/** Numbers of a request's instances when it ended. */
export interface FinalCounts {
  min: number
  max: number
  created: number
  running: number
  failed: number
}

/** What a change of a request says of itself; the database adds the version and the time. */
export interface Change {
  /** The state it led to; absent where it left the state as it was. */
  to?: RequestState
  /** docs/state-machine.md lists them. */
  cause: string
  /** Number of the attempt behind it. */
  attempt?: number
  /** Where it settles that attempt, or says that its outcome is unknown. */
  outcome?: AttemptOutcome
  /** CloudDC's id of the attempt's call, where an answer named one. */
  upstreamRequestId?: string
  /** What it rested on. */
  evidence?: unknown
  /** Ids of the instances that it added to the request. */
  instances?: readonly string[]
  /** Where it ends the request after instances existed. */
  counts?: FinalCounts
  /** Why the request failed or expired. */
  error?: { code: string; message: string }
}

/** One line of a history. */
export interface HistoryEntry extends Change {
  /** The request's version after it. */
  v: number
  /** Milliseconds since 1970 on the database's clock. */
  at: number
}

/** All entries, oldest first. `parts` are the history's parts in order, the row's own text last. */
export function parseHistory(parts: readonly string[]): HistoryEntry[] {
  const lines = parts.flatMap((part) => part.split('\n')).filter((line) => line !== '')
  return JSON.parse(`[${lines.join(',')}]`) as HistoryEntry[]
}

/** The entry of one version; undefined where that change left none, or it is in another part. */
export function entryOf(history: string, version: number): HistoryEntry | undefined {
  const start = startOf(history, version)
  if (start < 0) return undefined
  return JSON.parse(history.slice(start, history.indexOf('\n', start))) as HistoryEntry
}

/** Line breaks and quotes inside JSON are escaped, so this is found at the begin of a line only. */
function startOf(history: string, version: number): number {
  const head = `{"v":${version},`
  if (history.startsWith(head)) return 0
  const before = history.indexOf(`\n${head}`)
  return before < 0 ? -1 : before + 1
}

/** The version of a text's first entry; what is older stands in another part. 0 for an empty text. */
export function firstVersion(history: string): number {
  return Number.parseInt(history.slice('{"v":'.length, 20), 10) || 0
}
