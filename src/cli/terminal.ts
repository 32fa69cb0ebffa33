import { styleText } from 'node:util'
import { cutTo } from './text-width.ts'

export type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green' | 'cyan'

/** As much of a stream as is needed: process.stdout and process.stderr are such. */
export interface Output {
  isTTY?: boolean
  columns?: number
  rows?: number
  write(text: string): unknown
}

export interface Terminal {
  /** Columns; Infinity where the output is no terminal, so that nothing is cut short. */
  columns(): number
  readonly isInteractive: boolean
  readonly showsProgress: boolean
  paint(style: Style, text: string): string
  line(text?: string): void
  /** To those who look on, beside the output. */
  note(text: string): void
  /** In place of the note before, while this is a terminal; nothing elsewhere. */
  progress(text: string): void
  /** In place of what was drawn before, as much as fits; only in a terminal. */
  draw(lines: readonly string[]): void
}

/** More often nobody reads it. */
const PROGRESS_MS = 50
const CLEAR_LINE = '\r\x1b[K'
const HOME = '\x1b[H'
const CLEAR_REST = '\x1b[J'
const CLEAR_ALL = '\x1b[2J'

export function createTerminal({
  output,
  errors,
  environment,
}: {
  output: Output
  errors: Output
  environment: Readonly<Record<string, string | undefined>>
}): Terminal {
  const plain = Boolean(environment.NO_COLOR) || environment.TERM === 'dumb'
  const colours = output.isTTY === true && !plain
  const isInteractive = output.isTTY === true && environment.TERM !== 'dumb'
  const showsProgress = errors.isTTY === true && environment.TERM !== 'dumb'
  const columns = () => (output.isTTY ? output.columns || 80 : Number.POSITIVE_INFINITY)
  let hasProgress = false
  let progressAt = Number.NEGATIVE_INFINITY
  let hasDrawn = false

  const clearProgress = () => {
    if (hasProgress) errors.write(CLEAR_LINE)
    hasProgress = false
  }

  return {
    columns,
    isInteractive,
    showsProgress,
    paint: (style, text) => (colours ? styleText(style, text, { validateStream: false }) : text),
    line: (text = '') => {
      clearProgress()
      output.write(`${text}\n`)
    },
    note: (text) => {
      clearProgress()
      errors.write(`${text}\n`)
    },
    progress: (text) => {
      if (!showsProgress || performance.now() - progressAt < PROGRESS_MS) return
      progressAt = performance.now()
      errors.write(`${CLEAR_LINE}${cutTo(text, (errors.columns || 80) - 1)}`)
      hasProgress = true
    },
    draw: (lines) => {
      const room = (output.rows || 24) - 1
      const over = lines.length - room
      const fitting = over > 0 ? [...lines.slice(0, room - 1), `… ${over + 1} more lines`] : lines
      const shown = fitting.map((line) => cutTo(line, columns()))
      const text = shown.map((line) => `${line}\x1b[K\n`).join('')
      output.write(`${hasDrawn ? HOME : CLEAR_ALL + HOME}${text}${CLEAR_REST}`)
      hasDrawn = true
    },
  }
}
