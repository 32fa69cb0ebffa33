/** A shorter part of a secret is found in any text. */
export const RECOGNISABLE = 4
const BEGINNINGS = 65_536

/**
 * Tells whether a text holds one of `values`, or is one of them where they are shorter than RECOGNISABLE. Each value
 * costs time in proportion to its own length, however alike they all are.
 */
export function createSecretSearch(values: readonly string[]): (text: string) => boolean {
  const short = new Set(values.filter(({ length }) => length < RECOGNISABLE))
  const long = values.filter(({ length }) => length >= RECOGNISABLE)
  const beginnings = new Uint16Array(long.length)
  for (const [index, value] of long.entries()) beginnings[index] = beginningAt(value, 0)

  return (text) => {
    if (short.has(text)) return true
    const inText = new Uint8Array(BEGINNINGS)
    for (let at = 0; at + RECOGNISABLE <= text.length; at += 1) inText[beginningAt(text, at)] = 1
    let holds: ((part: string) => boolean) | undefined
    for (let index = 0; index < beginnings.length; index += 1) {
      if (inText[beginnings[index] ?? 0] === 0) continue
      const value = long[index] ?? ''
      holds ??= createPartSearch(text)
      if (value.length <= text.length && holds(value)) return true
    }
    return false
  }
}

/** Finds parts of a text among its ends in their order. */
function createPartSearch(text: string): (part: string) => boolean {
  const ends = Array.from({ length: text.length }, (_, start) => text.slice(start)).sort()
  return (part) => {
    let low = 0
    let high = ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((ends[middle] ?? '') < part) low = middle + 1
      else high = middle
    }
    return ends[low]?.startsWith(part) ?? false
  }
}

/** A number below BEGINNINGS, the same for the same four characters and seldom for others. */
function beginningAt(text: string, at: number): number {
  const [first, second] = [text.charCodeAt(at), text.charCodeAt(at + 1)]
  const [third, fourth] = [text.charCodeAt(at + 2), text.charCodeAt(at + 3)]
  return (first ^ (second << 3) ^ (third << 6) ^ (fourth << 9)) & (BEGINNINGS - 1)
}
