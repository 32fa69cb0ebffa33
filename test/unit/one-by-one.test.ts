import { expect, test } from 'vitest'
import { createOneByOne } from '../../src/intake/one-by-one.ts'

test('runs one at a time, and draws the next from those waiting', async () => {
  const order: string[] = []
  let running = 0
  const oneByOne = createOneByOne({ random: () => 0.99 })
  const work = (name: string) => async () => {
    running += 1
    expect(running).toBe(1)
    await new Promise(setImmediate)
    order.push(name)
    running -= 1
    return name
  }
  const results = await Promise.all(['a', 'b', 'c', 'd'].map((name) => oneByOne.run(work(name))))
  expect(results).toEqual(['a', 'b', 'c', 'd'])
  expect(order).toEqual(['a', 'd', 'c', 'b'])
  expect(await oneByOne.run(work('e'))).toBe('e')
})

test('goes on after a failure', async () => {
  const oneByOne = createOneByOne()
  const failed = oneByOne.run(() => Promise.reject(new Error('no')))
  const worked = oneByOne.run(async () => 1)
  await expect(failed).rejects.toThrow('no')
  expect(await worked).toBe(1)
})
