import type { Style, Terminal } from './terminal.ts'
import { cutTo, harmless, padTo, widthOf } from './text-width.ts'

/** A text, or one with a colour. */
export type Cell = string | number | null | undefined | { text: string; style: Style }

export interface Column {
  title: string
  /** Gives way where the terminal is too narrow: words, not ids. */
  gives?: boolean
  right?: boolean
}

const GAP = 2
/** The narrowest that a column becomes by giving way. */
const NARROWEST = 8

const textOf = (cell: Cell): string => {
  if (cell === null || cell === undefined) return '-'
  return harmless(typeof cell === 'object' ? cell.text : String(cell))
}

/** Rows below their titles, as wide as the terminal at the most where some columns give way. */
export function table(
  { columns: available, paint }: Pick<Terminal, 'columns' | 'paint'>,
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
): string[] {
  const natural = columns.map(({ title }, at) =>
    Math.max(widthOf(title), ...rows.map((row) => widthOf(textOf(row[at])))),
  )
  const widths = fitted(natural, columns, available())
  const lineOf = (cells: readonly string[], style: (text: string, at: number) => string) =>
    cells
      .map((cell, at) => {
        const text = cutTo(cell, widths[at] ?? 0)
        const padded = columns[at]?.right ? text.padStart(widths[at] ?? 0) : padTo(text, widths[at] ?? 0)
        return style(at === cells.length - 1 && !columns[at]?.right ? text : padded, at)
      })
      .join(' '.repeat(GAP))
  return [
    lineOf(
      columns.map(({ title }) => title),
      (text) => paint('dim', text),
    ),
    ...rows.map((row) =>
      lineOf(row.map(textOf), (text, at) => {
        const cell = row[at]
        return typeof cell === 'object' && cell !== null ? paint(cell.style, text) : text
      }),
    ),
  ]
}

/** The widths of columns; those that give way share what is left, the widest first. Pure. */
function fitted(natural: readonly number[], columns: readonly Column[], available: number): number[] {
  const widths = [...natural]
  const total = () => widths.reduce((sum, width) => sum + width, GAP * (widths.length - 1))
  for (let excess = total() - available; excess > 0; excess = total() - available) {
    const giving = widths
      .map((width, at) => ({ width, at }))
      .filter(({ width, at }) => columns[at]?.gives && width > NARROWEST)
      .toSorted((a, b) => b.width - a.width)
    const [widest, second] = giving
    if (widest === undefined) break
    const floor = Math.max(
      NARROWEST,
      second === undefined ? NARROWEST : Math.min(second.width, widest.width - 1),
    )
    widths[widest.at] = Math.max(floor, widest.width - excess)
  }
  return widths
}

/** Names with what belongs to them, one below the other; what is null is left out. */
export function facts(
  { paint }: Pick<Terminal, 'paint'>,
  entries: readonly (readonly [name: string, says: Cell])[],
): string[] {
  const told = entries.filter(([, says]) => says !== null && says !== undefined)
  const width = Math.max(0, ...told.map(([name]) => name.length))
  return told.map(([name, says]) => {
    const text = typeof says === 'object' && says !== null ? paint(says.style, textOf(says)) : textOf(says)
    return `${paint('dim', name.padEnd(width))}  ${text}`
  })
}
