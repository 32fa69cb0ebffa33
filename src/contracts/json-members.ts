import { endOfString } from './json-text.ts'

/** A member in a text: from its name's first quote, and from its value's first character, to the value's end. */
export interface MemberSpan {
  nameStart: number
  valueStart: number
  end: number
}

const WHITE_SPACE = /[ \t\n\r]*/y
const PLAIN_VALUE = /[^,\]}\s]*/y
const [QUOTE, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x22, 0x7b, 0x7d, 0x5b, 0x5d]

/**
 * Where the member at `path` stands in a well-formed JSON text without repeated members; undefined where there is none.
 */
export function findMember(text: string, path: readonly string[]): MemberSpan | undefined {
  let found: MemberSpan | undefined
  let at = after(WHITE_SPACE, text, 0)
  for (const name of path) {
    found = memberOf(text, at, name)
    if (found === undefined) return undefined
    at = found.valueStart
  }
  return found
}

/** The member of the object that begins at `start`. */
function memberOf(text: string, start: number, name: string): MemberSpan | undefined {
  if (text.charCodeAt(start) !== OPEN_BRACE) return undefined
  for (let at = after(WHITE_SPACE, text, start + 1); text.charCodeAt(at) === QUOTE; ) {
    const nameStart = at
    const nameEnd = endOfString(text, nameStart) + 1
    const colon = after(WHITE_SPACE, text, nameEnd)
    const valueStart = after(WHITE_SPACE, text, colon + 1)
    const end = endOfValue(text, valueStart)
    if (JSON.parse(text.slice(nameStart, nameEnd)) === name) return { nameStart, valueStart, end }
    const comma = after(WHITE_SPACE, text, end)
    at = after(WHITE_SPACE, text, comma + 1)
  }
  return undefined
}

function endOfValue(text: string, start: number): number {
  const code = text.charCodeAt(start)
  if (code === QUOTE) return endOfString(text, start) + 1
  if (code !== OPEN_BRACE && code !== OPEN_BRACKET) return after(PLAIN_VALUE, text, start)
  let level = 0
  for (let at = start; at < text.length; at += 1) {
    const inner = text.charCodeAt(at)
    if (inner === QUOTE) at = endOfString(text, at)
    else if (inner === OPEN_BRACE || inner === OPEN_BRACKET) level += 1
    else if (inner === CLOSE_BRACE || inner === CLOSE_BRACKET) level -= 1
    if (level === 0) return at + 1
  }
  return text.length
}

function after(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  pattern.test(text)
  return pattern.lastIndex
}
