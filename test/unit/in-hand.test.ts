import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createInHand } from '../../src/outbox/in-hand.ts'

function positionsIn(ranges: string): number[] {
  return [...ranges.matchAll(/\[(\d+),(\d+)\)/g)].flatMap(([, from, to]) =>
    Array.from({ length: Number(to) - Number(from) }, (_, n) => Number(from) + n),
  )
}

test('positions without a gap are one range', () => {
  const inHand = createInHand()
  expect(inHand.ranges()).toBe('{}')
  for (const position of [4, 5, 6, 9]) inHand.add(position)
  expect(inHand.ranges()).toBe('{[4,7),[9,10)}')
  inHand.delete(5)
  expect(inHand.ranges()).toBe('{[4,5),[6,7),[9,10)}')
})

test('the ranges hold what is in hand and nothing else, in whatever order it comes and goes', () => {
  const step = fc.record({
    position: fc.integer({ min: 1, max: 30 }),
    added: fc.boolean(),
    look: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const inHand = createInHand()
      const model = new Set<number>()
      for (const { position, added, look } of steps) {
        if (added) {
          inHand.add(position)
          model.add(position)
        } else {
          inHand.delete(position)
          model.delete(position)
        }
        if (look) expect(positionsIn(inHand.ranges())).toEqual([...model].sort((a, b) => a - b))
      }
      expect(inHand.size()).toBe(model.size)
      expect(positionsIn(inHand.ranges())).toEqual([...model].sort((a, b) => a - b))
    }),
  )
})
