const LINE_FEED = 0x0a
const BACKSLASH = 0x5c

/** Whether four hexadecimal digits stand there. */
export function isHex(text: string, start: number): boolean {
  for (let at = start; at < start + 4; at += 1) {
    const code = text.charCodeAt(at)
    const letter = code | 0x20
    if (!((code >= 0x30 && code <= 0x39) || (letter >= 0x61 && letter <= 0x66))) return false
  }
  return true
}

/** Whether the four hexadecimal digits that stand there are those of a surrogate, d800 to dfff. */
export function isSurrogate(text: string, start: number): boolean {
  return (text.charCodeAt(start) | 0x20) === 0x64 && text.charCodeAt(start + 1) >= 0x38
}

/** Where a place in a text is, for a reader: lines and columns count from 1. */
export function position(text: string, at: number): string {
  let line = 1
  let lineStart = 0
  for (let before = 0; before < at; before += 1) {
    if (text.charCodeAt(before) !== LINE_FEED) continue
    line += 1
    lineStart = before + 1
  }
  return `at line ${line}, column ${at - lineStart + 1}`
}

/** In a well-formed text: the index of the quote that closes the string opened at `start`. */
export function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  for (;;) {
    let backslashes = 0
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes += 1
    if (backslashes % 2 === 0) return end
    end = text.indexOf('"', end + 1)
  }
}
