import { type Discretion, isSecretName } from './discretion.ts'

/** One thing that is wrong with a message, as it may leave the service. */
export interface Fault {
  /**
   * Names and indexes from the top of the body, joined with dots; empty for the body as a whole. A member whose name
   * is not shown stands by its place among its siblings, from 0, in brackets: `spec.metadata[2]`.
   */
  path: string
  /** What is wrong, without any value of the message. */
  message: string
}

/**
 * From a value to one inside it: the index of an element, a name that the contract gives, or a name that the sender
 * gives, with its place among its siblings.
 */
export type Step = number | string | { name: string; place: number }

/** A fault as it was found; its path may hold anything the sender wrote. */
export interface Finding {
  path: readonly Step[]
  message: string
}

const MAX_FAULTS = 50
const MAX_PATH_LENGTH = 200
const MAX_DETAIL_BYTES = 8192

/** What was found so far: as much as will be reported, and how much there was. */
export interface Findings {
  /** `path` is asked for only if the fault will be reported. */
  add(path: readonly Step[] | (() => readonly Step[]), message: string): void
  /** Counts further faults that will not be reported. */
  skip(count: number): void
  /** Whether further faults are only counted. */
  full(): boolean
  readonly told: readonly Finding[]
  total(): number
}

export function createFindings(): Findings {
  const told: Finding[] = []
  let total = 0
  return {
    add: (path, message) => {
      total += 1
      if (told.length < MAX_FAULTS) told.push({ path: typeof path === 'function' ? path() : path, message })
    },
    skip: (count) => {
      total += count
    },
    full: () => told.length >= MAX_FAULTS,
    told,
    total: () => total,
  }
}

/**
 * The faults as they may leave the service, in a header among others: at most 50 and 8 KiB of JSON, long paths cut, and
 * no name in them that `discretion` holds back.
 */
export function publishableFaults(
  { told, total }: Pick<Findings, 'told' | 'total'>,
  discretion: Discretion,
): Fault[] {
  const published: Fault[] = []
  let bytes = 0
  for (const { path, message } of told) {
    const fault = { path: showPath(path, discretion), message }
    bytes += Buffer.byteLength(JSON.stringify(fault))
    if (bytes > MAX_DETAIL_BYTES && published.length > 0) break
    published.push(fault)
  }
  const omitted = total() - published.length
  if (omitted > 0) published.push({ path: '', message: `and ${omitted} more` })
  return published
}

/** Ends at a secret member: whatever stands below it may be the secret. */
function showPath(path: readonly Step[], discretion: Discretion): string {
  let shown = ''
  for (const step of path) {
    const name = typeof step === 'object' ? step.name : step
    if (typeof step === 'object' && !discretion.showsName(step.name)) shown += `[${step.place}]`
    else shown += shown === '' ? name : `.${name}`
    if (typeof name === 'string' && isSecretName(name)) break
  }
  return shown.length > MAX_PATH_LENGTH ? `${shown.slice(0, MAX_PATH_LENGTH)}...` : shown
}
