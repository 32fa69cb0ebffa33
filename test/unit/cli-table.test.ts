import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { table } from '../../src/cli/table.ts'
import { createTerminal } from '../../src/cli/terminal.ts'
import { cutTo, harmless, widthOf } from '../../src/cli/text-width.ts'
import { lasting } from '../../src/cli/times.ts'

function terminalOf(options: { columns?: number; environment?: Record<string, string> } = {}) {
  const written: string[] = []
  const { columns, environment = {} } = options
  const output = {
    ...(columns === undefined ? {} : { isTTY: true, columns, rows: 10 }),
    write: (text: string) => written.push(text),
  }
  return { terminal: createTerminal({ output, errors: output, environment }), written }
}

const COLUMNS = [{ title: 'id' }, { title: 'words', gives: true }, { title: 'more words', gives: true }]

test('a table fits the terminal: words are cut short, ids are not', () => {
  const { terminal } = terminalOf({ columns: 40 })
  const id = '01a21797-2f3c-7293'
  const lines = table(terminal, COLUMNS, [
    [id, 'a long sentence of many words', { text: 'and 另一个很长的句子', style: 'red' }],
  ])
  for (const line of lines) expect(widthOf(stripVTControlCharacters(line))).toBeLessThanOrEqual(40)
  expect(stripVTControlCharacters(lines[1] ?? '')).toContain(id)
  expect(stripVTControlCharacters(lines[1] ?? '')).toContain('…')
})

test('outside a terminal nothing is cut or coloured', () => {
  const { terminal } = terminalOf()
  const long = 'x'.repeat(1000)
  const [, row = ''] = table(terminal, COLUMNS, [['a', long, { text: long, style: 'red' }]])
  expect(row).toBe(`a   ${long}  ${long}`)
})

test.each([{ NO_COLOR: '1' }, { TERM: 'dumb' }])('%j means no colours', (environment) => {
  expect(terminalOf({ columns: 80, environment }).terminal.paint('red', 'x')).toBe('x')
  expect(terminalOf({ columns: 80 }).terminal.paint('red', 'x')).not.toBe('x')
})

test('what is drawn fits into the terminal, and replaces what was drawn before', () => {
  const { terminal, written } = terminalOf({ columns: 20 })
  const lines = Array.from({ length: 30 }, (_, n) => `${n} `.repeat(20))
  terminal.draw(lines)
  terminal.draw(['once more'])
  expect(written[0]?.split('\n')).toHaveLength(10)
  expect(written[0]).toContain('… 22 more lines')
  expect(written[0]?.startsWith('\u001b[2J')).toBe(true)
  expect(written[1]).toBe('\u001b[Honce more\u001b[K\n\u001b[J')
})

test('a text is cut to the width, whatever it holds', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 30 }), (text, width) => {
      const shown = cutTo(harmless(text), width)
      expect(widthOf(shown)).toBeLessThanOrEqual(width)
      if (widthOf(harmless(text)) <= width) expect(shown).toBe(harmless(text))
    }),
  )
})

test('what could steer a terminal is not shown', () => {
  expect(harmless('a\u001b[2Jb\r\n\u009bc\u202ed')).toBe('a�[2Jb���c�d')
})

test.each([
  [0, '0 s'],
  [59.6, '1 min'],
  [3599, '59 min 59 s'],
  [7260, '2 h 1 min'],
  [86_400 * 3 + 7200, '3 d 2 h'],
])('%d seconds are %s', (seconds, words) => {
  expect(lasting(seconds)).toBe(words)
})
