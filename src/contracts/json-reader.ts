import { isSecretName, mayHoldSecrets, type Secrets } from './discretion.ts'
import { createFindings, type Findings, type Step } from './fault.ts'
import { isHex, isSurrogate, position } from './json-text.ts'

export interface JsonReading {
  /** The first break of syntax, where there is one, else every duplicate member and forbidden character. */
  findings: Findings
  /** False when NUL characters are all that was found. */
  malformed: boolean
  /**
   * The paths of the members that are written more than once in the body's object, or in an object that is a member of
   * it, whatever else was found. As far as the text could be read.
   */
  repeated: readonly (readonly string[])[]
  /** What stands under secret members, as far as the text could be read. */
  secrets: Secrets
}

/** An array or object that is open at the place of reading. */
interface Frame {
  close: number
  /** The names so far, of an object that has any. */
  names: Set<string> | undefined
  /** The present member; unused in an array. */
  name: string
  /** The place of the present member or element among its siblings. */
  place: number
  /** The frame stands below a secret member. */
  secret: boolean
}

interface StringToken {
  start: number
  escaped: boolean
  /** An escape stands for NUL. */
  nul: boolean
  /** An escape stands for a surrogate. */
  surrogate: boolean
}

/** @property level How many of the open arrays and objects its path names. */
class SyntaxFault extends Error {
  readonly level: number

  constructor(message: string, level: number) {
    super(message)
    this.level = level
  }
}

const NUMBER_OR_WORD = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![0-9A-Za-z.+-])/y
const ESCAPED = new Set([...'"\\/bfnrt'].map((character) => character.charCodeAt(0)))
const SMALL_U = 0x75
/** What requires a string to be read character by character: control characters and the backslash. */
const SPECIAL = /[^ -[\]-\uffff]/g

const WHITE_SPACE = /[ \t\n\r]*/y
const SPACE = 0x20
const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a]
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d]

/**
 * Reads a JSON text once and says where it breaks the rules of parseStrictJson, and what it holds in secret. A break
 * of syntax is reported at the array or object that contains it. Iterative, so no nesting is too deep for it; one
 * step forward per character; its messages never quote the text.
 *
 * @param isStrict the text is known to be faultless: only its secrets are of interest
 */
export function readJson(text: string, maxDepth: number, isStrict = false): JsonReading {
  const findings = createFindings()
  const secrets: string[] = []
  const mayHoldSecret = mayHoldSecrets(text)
  const repeated: string[][] = []
  /** The first break of syntax. */
  let broken: Findings | undefined
  let complete = true
  let malformed = false
  /** Where the next character stands, seen from the last string, that a string can hold only escaped. */
  let special = -1
  const frames: Frame[] = []
  let at = 0

  const pathTo = (depth: number): Step[] =>
    frames.slice(0, depth).map(({ close, name, place }) => (close === CLOSE_BRACE ? { name, place } : place))
  const report = (message: string, breaks: boolean) => {
    if (broken === undefined) findings.add(() => pathTo(frames.length), message)
    malformed ||= breaks
  }
  const breakAt = (level: number, message: string) => {
    if (broken !== undefined) return
    broken = createFindings()
    broken.add(pathTo(Math.max(level, 0)), message)
  }
  const expected = (what: string) =>
    new SyntaxFault(`expected ${what} ${position(text, at)}`, frames.length - 1)

  /** Goes to the next token; its first character's code, NaN at the end. */
  const next = (): number => {
    const code = text.charCodeAt(at)
    if (!(code <= SPACE)) return code
    WHITE_SPACE.lastIndex = at
    WHITE_SPACE.test(text)
    at = WHITE_SPACE.lastIndex
    return text.charCodeAt(at)
  }

  /** Reads the string that begins here; undefined where it is broken, and then nothing is read. */
  const readString = (): StringToken | undefined => {
    const token: StringToken = { start: at, escaped: false, nul: false, surrogate: false }
    if (special < at) {
      SPECIAL.lastIndex = at
      special = SPECIAL.exec(text)?.index ?? text.length
    }
    const close = text.indexOf('"', at + 1)
    if (close !== -1 && close < special) {
      at = close + 1
      return token
    }
    for (let end = at + 1; ; end += 1) {
      const code = text.charCodeAt(end)
      if (code === QUOTE) {
        at = end + 1
        return token
      }
      if (code === BACKSLASH) {
        end += 1
        const escaped = text.charCodeAt(end)
        token.escaped = true
        if (escaped === SMALL_U && isHex(text, end + 1)) {
          token.nul ||= text.startsWith('0000', end + 1)
          token.surrogate ||= isSurrogate(text, end + 1)
          end += 4
        } else if (!ESCAPED.has(escaped)) return undefined
      } else if (!(code >= SPACE)) {
        return undefined
      }
    }
  }
  const meaning = ({ start, escaped }: StringToken): string =>
    escaped ? String(JSON.parse(text.slice(start, at))) : text.slice(start + 1, at - 1)
  /** Only an escape can write what the encoding of the body forbids. */
  const checkCharacters = (string: StringToken) => {
    if (string.nul) report('contains a NUL character', false)
    if (string.surrogate && !meaning(string).isWellFormed()) report('contains a lone surrogate', true)
  }

  const noteRepeated = () => {
    if (frames.length > 2 || frames.some(({ close }) => close === CLOSE_BRACKET)) return
    repeated.push(frames.map(({ name }) => name))
  }

  const readMember = (frame: Frame, what: string) => {
    const string = next() === QUOTE ? readString() : undefined
    if (string === undefined) throw expected(what)
    frame.name = meaning(string)
    frame.place += 1
    checkCharacters(string)
    if (!isStrict) {
      frame.names ??= new Set()
      if (frame.names.has(frame.name)) {
        report('duplicate key', true)
        noteRepeated()
      }
      frame.names.add(frame.name)
    }
    if (frame.secret) secrets.push(frame.name)
    if (next() !== COLON) throw expected("':'")
    at += 1
  }

  const readText = () => {
    const start = at
    const string = text.charCodeAt(at) === QUOTE ? readString() : undefined
    if (string === undefined) {
      NUMBER_OR_WORD.lastIndex = at
      if (!NUMBER_OR_WORD.test(text)) throw expected('a value')
      at = NUMBER_OR_WORD.lastIndex
    }
    const isSecret = belowSecret()
    if (string === undefined) {
      if (isSecret) secrets.push(text.slice(start, at))
    } else {
      checkCharacters(string)
      if (isSecret) secrets.push(meaning(string))
    }
  }

  const belowSecret = (): boolean => {
    const frame = frames.at(-1)
    if (!mayHoldSecret || frame === undefined) return false
    return frame.secret || (frame.close === CLOSE_BRACE && isSecretName(frame.name))
  }

  /** Reads a value as far as its opening; true when a frame was opened that holds something. */
  const readValue = (): boolean => {
    const code = next()
    if (code !== OPEN_BRACE && code !== OPEN_BRACKET) {
      readText()
      return false
    }
    // It is read on: other readers may take the text, and what follows may be a secret, or an id a second time.
    if (frames.length >= maxDepth) breakAt(maxDepth, `more than ${maxDepth} levels`)
    const close = code === OPEN_BRACE ? CLOSE_BRACE : CLOSE_BRACKET
    const frame: Frame = { close, names: undefined, name: '', place: -1, secret: belowSecret() }
    at += 1
    frames.push(frame)
    const first = next()
    if (first === close) {
      at += 1
      frames.pop()
      return false
    }
    if (close === CLOSE_BRACE) readMember(frame, "a key in double quotes or '}'")
    else if (Number.isNaN(first)) throw expected("a value or ']'")
    else frame.place = 0
    return true
  }

  /** Reads what follows a value; true when another value does. */
  const readSeparator = (): boolean => {
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const code = next()
      if (code !== COMMA && code !== frame.close) {
        throw expected(`',' or '${String.fromCharCode(frame.close)}'`)
      }
      at += 1
      if (code === COMMA) {
        if (frame.close === CLOSE_BRACE) readMember(frame, 'a key in double quotes')
        else frame.place += 1
        return true
      }
      frames.pop()
    }
    if (!Number.isNaN(next())) throw expected('the end of the body')
    return false
  }

  try {
    do {
      while (readValue());
    } while (readSeparator())
  } catch (error) {
    if (!(error instanceof SyntaxFault)) throw error
    breakAt(error.level, error.message)
    complete = false
  }
  const found = broken === undefined ? { findings, malformed } : { findings: broken, malformed: true }
  return { ...found, repeated, secrets: { values: secrets, complete } }
}
