import type { RejectionCode } from '../contracts/rejection-code.ts'
import { requestKey } from '../request/request-key.ts'
import type { RequestStore } from './request-store.ts'
import type { Entry, EntryOutcome, RequestWriter } from './request-writer.ts'
import { createRoomMemory } from './room-memory.ts'
import type { WriteRetry } from './write-retry.ts'

/** Who may order, and how much. */
export interface AdmissionRules {
  /** Projects whose orders are taken. */
  projects: ReadonlySet<string> | '*'
  /** Open requests of one project at most; null for any number. */
  maxOpen: number | null
}

export const OPEN_TO_ALL: AdmissionRules = { projects: '*', maxOpen: null }

export type NotAdmitted = {
  kind: 'not_admitted'
  code: Extract<RejectionCode, 'project_not_allowed' | 'backlog_full'>
}

export interface Admission {
  /** Whether an order of the project needs no look: it may be written at once. */
  isFree(projectId: string): boolean
  /**
   * Writes entries of any project, as far as the rules let them in; one call after the other, so that each sees what
   * those before it have stored. A key that is taken is told as by the writer, whatever the rules say.
   */
  write(entries: readonly Entry[]): Promise<(EntryOutcome | NotAdmitted)[]>
}

/**
 * The gate of the intake. Without a list of projects and without a cap all is free, and it costs nothing. With a cap,
 * a project far from it is counted about once a second, one near it before each batch. What other replicas write
 * between count and commit is not seen: together they may exceed the cap by their batches in flight.
 */
export function createAdmission({
  rules,
  store,
  retry,
  writer,
}: {
  rules: AdmissionRules
  store: Pick<RequestStore, 'countOpen' | 'findTaken'>
  retry: WriteRetry
  writer: RequestWriter
}): Admission {
  const { projects, maxOpen } = rules
  const memory = createRoomMemory()
  let last: Promise<unknown> = Promise.resolve()

  const allows = (projectId: string) => projects === '*' || projects.has(projectId)

  /** Room of each project, by a new count where the memory does not tell. */
  const roomsOf = async (projectIds: readonly string[]): Promise<Map<string, number>> => {
    const rooms = new Map<string, number>()
    for (const projectId of projectIds) {
      if (!allows(projectId)) rooms.set(projectId, 0)
      else if (maxOpen === null) rooms.set(projectId, Number.POSITIVE_INFINITY)
      else if (memory.isFull(projectId)) rooms.set(projectId, 0)
    }
    if (maxOpen === null) return rooms
    const unknown = projectIds.filter((projectId) => !rooms.has(projectId))
    const startedAt = performance.now()
    const open = await store.countOpen(unknown, maxOpen)
    const tookMs = performance.now() - startedAt
    for (const projectId of unknown) {
      const room = Math.max(0, maxOpen - (open.get(projectId) ?? 0))
      rooms.set(projectId, room)
      memory.note(projectId, room, tookMs / unknown.length)
    }
    return rooms
  }

  const write = async (entries: readonly Entry[]): Promise<(EntryOutcome | NotAdmitted)[]> => {
    const judged = await retry(async () => {
      const rooms = await roomsOf([...new Set(entries.map(({ row }) => row.projectId))])
      const crowded = keysBeyond(entries, rooms)
      const taken = await store.findTaken(crowded.map(({ row }) => row))
      return keysAdmitted(entries, rooms, new Set(taken.map(requestKey)))
    })
    if (judged.kind === 'refused') throw judged.error
    if (judged.kind === 'stopped') return entries.map(() => judged)
    const isIn = ({ row }: Entry) => judged.value.has(requestKey(row))
    const admitted = entries.filter(isIn)
    const written = admitted.length > 0 ? await writer.write(admitted) : []
    const outcomes = new Map(admitted.map((entry, index) => [entry, written[index]]))
    return entries.map((entry) => {
      const code = allows(entry.row.projectId) ? 'backlog_full' : 'project_not_allowed'
      return outcomes.get(entry) ?? { kind: 'not_admitted', code }
    })
  }

  return {
    isFree: (projectId) => allows(projectId) && (maxOpen === null || memory.isFree(projectId)),
    write: (entries) => {
      const written = last.then(() => write(entries))
      last = written.catch(() => undefined)
      return written
    },
  }
}

/** The first entry of each key of those projects that have more new keys, perhaps, than room. */
export function keysBeyond(entries: readonly Entry[], rooms: ReadonlyMap<string, number>): Entry[] {
  const firsts = new Map(entries.toReversed().map((entry) => [requestKey(entry.row), entry]))
  const wanted = new Map<string, number>()
  for (const { row } of firsts.values()) wanted.set(row.projectId, (wanted.get(row.projectId) ?? 0) + 1)
  return [...firsts.values()].filter(
    ({ row }) => (wanted.get(row.projectId) ?? 0) > (rooms.get(row.projectId) ?? 0),
  )
}

/** Keys that may be written: those that are taken, and of the others as many as there is room for, first come first. */
export function keysAdmitted(
  entries: readonly Entry[],
  rooms: ReadonlyMap<string, number>,
  taken: ReadonlySet<string>,
): Set<string> {
  const left = new Map(rooms)
  const admitted = new Set<string>()
  for (const { row } of entries) {
    const key = requestKey(row)
    const room = left.get(row.projectId) ?? 0
    if (admitted.has(key) || (room <= 0 && !taken.has(key))) continue
    admitted.add(key)
    if (!taken.has(key)) left.set(row.projectId, room - 1)
  }
  return admitted
}
