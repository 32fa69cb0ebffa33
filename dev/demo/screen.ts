/** Where the demo writes: lines that stay, and below them an area that is redrawn in place. */
export interface Screen {
  readonly live: boolean
  readonly paint: Paint
  /** A line that stays. */
  line(text?: string): void
  /** Replaces the live area; does nothing where the output is no terminal. */
  draw(lines: readonly string[]): void
  /** Leaves the live area as it stands and gives the cursor back. */
  settle(): void
  /** Removes the live area. */
  erase(): void
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue' | 'cyan' | 'magenta'
export type Paint = (style: Style, text: string) => string

const CODES: Record<Style, [number, number]> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
}

const ESC = '\u001b['
/** Tells terminals that know it to show the whole frame at once; others ignore it. */
const FRAME_START = `${ESC}?2026h`
const FRAME_END = `${ESC}?2026l`
const HIDE_CURSOR = `${ESC}?25l`
const SHOW_CURSOR = `${ESC}?25h`
const CLEAR_LINE = `${ESC}K`
const CLEAR_BELOW = `${ESC}J`

const MIN_COLUMNS = 80
const MIN_ROWS = 24

export interface ScreenOptions {
  output: { write(text: string): unknown; isTTY?: boolean; columns?: number; rows?: number }
  /** False where the live area would only be noise, as with --json. */
  live: boolean
  /** NO_COLOR and the like are read from here. */
  environment: NodeJS.ProcessEnv
}

export function createScreen({ output, live: wanted, environment }: ScreenOptions): Screen {
  const terminal = output.isTTY === true && environment.TERM !== 'dumb'
  // In a smaller window lines would wrap or scroll, and could not be drawn over.
  const fits = (output.columns ?? MIN_COLUMNS) >= MIN_COLUMNS && (output.rows ?? MIN_ROWS) >= MIN_ROWS
  const live = wanted && terminal && fits
  const colours = terminal && wanted && !environment.NO_COLOR
  let height = 0

  const toTop = () => (height > 0 ? `${ESC}${height}A\r` : '')
  const erase = () => {
    if (height === 0) return
    output.write(`${toTop()}${CLEAR_BELOW}${SHOW_CURSOR}`)
    height = 0
  }
  return {
    live,
    paint: (style, text) => {
      const [on, off] = CODES[style]
      return colours ? `${ESC}${on}m${text}${ESC}${off}m` : text
    },
    line: (text = '') => {
      erase()
      output.write(`${text}\n`)
    },
    draw: (lines) => {
      if (!live) return
      const body = lines.map((line) => `${line}${CLEAR_LINE}\n`).join('')
      output.write(`${FRAME_START}${HIDE_CURSOR}${toTop()}${body}${CLEAR_BELOW}${FRAME_END}`)
      height = lines.length
    },
    settle: () => {
      if (height > 0) output.write(SHOW_CURSOR)
      height = 0
    },
    erase,
  }
}
