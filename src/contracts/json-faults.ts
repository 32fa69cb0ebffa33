import { type Fault, joinPath } from './fault.ts'

/** More are not worth the time: the text is refused anyway. */
const MAX_FAULTS = 100

/** An array or object that is open at the place of reading; `key` is where in it the reader stands. */
type Frame = { kind: 'object'; seen: Set<string>; key: string } | { kind: 'array'; key: number }

class SyntaxFault extends Error {}

const TOKEN = new RegExp(
  [
    String.raw`[ \t\n\r]*(?:`,
    String.raw`([{}[\],:])`,
    String.raw`|("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")`,
    String.raw`|((?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![0-9A-Za-z.+-]))`,
    ')',
  ].join(''),
  'y',
)
const END = /[ \t\n\r]*$/y

/**
 * Says where a JSON text breaks the rules of parseStrictJson: the first break of syntax, where there is one, else
 * every duplicate member and forbidden character. `malformed` is false when NUL characters are all it found.
 * Iterative, so no nesting is too deep for it; never quotes the text.
 */
export function findJsonFaults(text: string, maxDepth: number): { malformed: boolean; faults: Fault[] } {
  const faults: Fault[] = []
  let malformed = false
  const frames: Frame[] = []
  let at = 0

  const path = () => joinPath(frames.map((frame) => frame.key).filter((key) => key !== ''))
  const report = (message: string, breaks = true) => {
    if (faults.length < MAX_FAULTS) faults.push({ path: path(), message })
    malformed ||= breaks
  }
  const expected = (what: string) => new SyntaxFault(`expected ${what} ${position(text, at)}`)

  /** Reads one token: a mark, a string with its quotes, a number or a word. */
  const next = (what: string): string => {
    TOKEN.lastIndex = at
    const match = TOKEN.exec(text)
    if (match === null) throw expected(what)
    at = TOKEN.lastIndex - (match[1] ?? match[2] ?? match[3] ?? '').length
    return text.slice(at, TOKEN.lastIndex)
  }
  const accept = (token: string) => {
    at += token.length
  }
  const readString = (token: string): string => {
    const string = String(JSON.parse(token))
    if (string.includes('\0')) report('contains a NUL character', false)
    if (!string.isWellFormed()) report('contains a lone surrogate')
    return string
  }
  const readKey = (frame: Frame & { kind: 'object' }, token: string) => {
    if (!token.startsWith('"')) throw expected('a key in double quotes')
    accept(token)
    frame.key = String(JSON.parse(token))
    readString(token)
    if (frame.seen.has(frame.key)) report('duplicate key')
    frame.seen.add(frame.key)
    const colon = next("':'")
    if (colon !== ':') throw expected("':'")
    accept(colon)
  }

  /** Reads a value as far as its opening; true when a frame was opened. */
  const readValue = () => {
    const token = next('a value')
    if (token === '{' || token === '[') {
      if (frames.length >= maxDepth) throw new SyntaxFault(`more than ${maxDepth} levels`)
      accept(token)
      if (token === '{') {
        const frame: Frame = { kind: 'object', seen: new Set(), key: '' }
        frames.push(frame)
        const first = next("a key in double quotes or '}'")
        if (first !== '}') {
          readKey(frame, first)
          return true
        }
        accept(first)
      } else {
        frames.push({ kind: 'array', key: 0 })
        const first = next("a value or ']'")
        if (first !== ']') return true
        accept(first)
      }
      frames.pop()
    } else {
      if (/^[}\],:]/.test(token)) throw expected('a value')
      accept(token)
      if (token.startsWith('"')) readString(token)
    }
    return false
  }

  /** Reads what follows a value; true when another value does. */
  const readSeparator = (): boolean => {
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const close = frame.kind === 'object' ? '}' : ']'
      const token = next(`',' or '${close}'`)
      if (token === ',') {
        accept(token)
        if (frame.kind === 'array') frame.key += 1
        else readKey(frame, next('a key in double quotes'))
        return true
      }
      if (token !== close) throw expected(`',' or '${close}'`)
      accept(token)
      frames.pop()
    }
    END.lastIndex = at
    if (!END.test(text)) throw expected('the end of the body')
    return false
  }

  try {
    do {
      while (readValue());
    } while (readSeparator())
  } catch (error) {
    if (!(error instanceof SyntaxFault)) throw error
    return { malformed: true, faults: [{ path: path(), message: error.message }] }
  }
  return { malformed, faults }
}

/** Where in the text, for a reader; counts characters from 1 after skipping white space. */
function position(text: string, at: number): string {
  const rest = /[^ \t\n\r]/g
  rest.lastIndex = at
  const place = rest.exec(text)?.index ?? text.length
  const before = text.slice(0, place).split('\n')
  return `at line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`
}
