import fc from 'fast-check'
import { expect, test } from 'vitest'
import { resultOf, writeInHalves } from '../../src/runtime/halves.ts'

test('work is done for every item but those at fault, in order, and no more often than finding them takes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 200 }), async (sound) => {
      let tries = 0
      const results = await writeInHalves(
        [...sound.entries()],
        async (items) => {
          tries += 1
          if (items.some(([, isSound]) => !isSound)) throw new Error('a fault')
          return items.map(([index]) => index)
        },
        () => true,
      )
      expect(results.map(({ status }) => status === 'fulfilled')).toEqual(sound)
      for (const [index, result] of results.entries())
        if (result.status === 'fulfilled') expect(resultOf(result)).toBe(index)
      const faults = sound.filter((isSound) => !isSound).length
      expect(tries).toBeLessThanOrEqual(1 + 2 * faults * Math.ceil(Math.log2(sound.length + 1)))
    }),
  )
})

test('an error that lies in no item is thrown at once', async () => {
  let tries = 0
  const away = new Error('away')
  const work = async () => {
    tries += 1
    throw away
  }
  await expect(writeInHalves([1, 2], work, () => false)).rejects.toBe(away)
  expect(tries).toBe(1)
})
