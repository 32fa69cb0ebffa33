import { isUtf8 } from 'node:buffer'
import { mayHoldSecrets, type Secrets } from './discretion.ts'
import { createFindings } from './fault.ts'
import { type JsonReading, readJson } from './json-reader.ts'
import { endOfString } from './json-text.ts'

/** Levels of arrays and objects that a document may have; a request has five, in its CloudEvents envelope. */
export const MAX_JSON_DEPTH = 32

export type StrictJson =
  | { ok: true; value: unknown }
  | {
      ok: false
      /** What JSON.parse makes of it, where it does; the last of duplicate members wins. */
      value: unknown
      /** `malformed`: the text is no JSON, or JSON that two readers may understand differently. */
      reading: JsonReading
    }

/** Forbidden characters, which only an escape can write: NUL and surrogates, lone or in pairs. */
const DOUBTFUL_ESCAPE = /\\u(?:0000|[dD][89a-fA-F])/

/**
 * Parses JSON that has one meaning only: UTF-8 without byte order mark, no duplicate members, no lone surrogates
 * (RFC 7493), at most {@link MAX_JSON_DEPTH} levels, and no NUL characters, which Postgres cannot store.
 *
 * The good case costs one JSON.parse and one pass over the text that counts members: duplicates show as a
 * difference to the members parsed. Only a faulty text is read a second time, to say where the faults are.
 */
export function parseStrictJson(body: Buffer): StrictJson {
  const fault = bytesFault(body)
  if (fault !== undefined) return { ok: false, value: undefined, reading: unread(fault) }
  const text = body.toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Its message quotes the text, which may hold a password.
    return { ok: false, value: undefined, reading: readJson(text, MAX_JSON_DEPTH) }
  }
  const { members, depth } = measureText(text)
  if (depth <= MAX_JSON_DEPTH && !DOUBTFUL_ESCAPE.test(text) && members === countMembers(value))
    return { ok: true, value }

  const reading = readJson(text, MAX_JSON_DEPTH)
  return reading.findings.total() === 0 ? { ok: true, value } : { ok: false, value, reading }
}

/** What a body that parseStrictJson has taken holds in secret. */
export function readSecrets(body: Buffer): Secrets {
  const text = body.toString('utf8')
  return mayHoldSecrets(text) ? readJson(text, MAX_JSON_DEPTH, true).secrets : { values: [], complete: true }
}

function unread(fault: string): JsonReading {
  const findings = createFindings()
  findings.add([], fault)
  return { findings, malformed: true, repeated: [], secrets: { values: [], complete: false } }
}

function bytesFault(body: Buffer): string | undefined {
  if (body.length === 0) return 'the body is empty'
  if (!isUtf8(body)) return 'the body is not UTF-8'
  if (body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf)
    return 'the body begins with a byte order mark'
  return undefined
}

const QUOTE = 0x22
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** Members written in a well-formed text, and its levels. */
function measureText(text: string): { members: number; depth: number } {
  let members = 0
  let level = 0
  let depth = 0
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at = endOfString(text, at)
    } else if (code === COLON) {
      members += 1
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      level += 1
      if (level > depth) depth = level
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      level -= 1
    }
  }
  return { members, depth }
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let count = 0
  if (Array.isArray(value)) {
    for (const element of value) count += countMembers(element)
    return count
  }
  for (const member of Object.values(value)) count += 1 + countMembers(member)
  return count
}
