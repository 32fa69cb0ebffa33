/** What a terminal shows two columns wide, as far as names here may hold it. */
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303f\uff01-\uff60]/u
const COMBINING = /\p{Mark}/u
const ESCAPE = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'y')
/** All of it, weight, colour of the text. */
const ENDS_COLOUR = /\[(0|22|39)m$/

function columnsOf(character: string): number {
  if (COMBINING.test(character)) return 0
  return WIDE.test(character) ? 2 : 1
}

/** Columns that a text without escapes takes. Pure. */
export function widthOf(text: string): number {
  let width = 0
  for (const character of text) width += columnsOf(character)
  return width
}

export function padTo(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)))
}

/** The text in so many columns at the most, with … where something is left out; colours take none, and end with it. */
export function cutTo(text: string, width: number): string {
  if (width === Number.POSITIVE_INFINITY) return text
  let shown = ''
  let used = 0
  /** Where it is cut, if it is: one column is left for the sign. */
  let cut = ''
  let isColoured = false
  for (let at = 0; at < text.length; ) {
    ESCAPE.lastIndex = at
    const colour = ESCAPE.exec(text)?.[0]
    const piece = colour ?? String.fromCodePoint(text.codePointAt(at) ?? 0)
    at += piece.length
    if (colour !== undefined) isColoured = !ENDS_COLOUR.test(colour)
    else used += columnsOf(piece)
    if (used > width) return `${cut}…${isColoured ? '\x1b[0m' : ''}`
    shown += piece
    if (used < width) cut = shown
  }
  return shown
}

/** Without what could steer a terminal: control characters, and those that turn the direction of text. */
export function harmless(text: string): string {
  return text.replaceAll(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '�')
}
