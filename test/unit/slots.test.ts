import { describe, expect, test } from 'vitest'
import { createSlots } from '../../src/runtime/slots.ts'

function pending() {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  return { work: () => promise, resolve, reject }
}

describe('slots', () => {
  test('let no more run at once than there are slots, in the order of asking', async () => {
    const slots = createSlots({ slots: 2, maxWaiting: 10 })
    const started: number[] = []
    const works = Array.from({ length: 4 }, pending)
    const results = works.map(({ work }, index) =>
      slots.run(() => {
        started.push(index)
        return work()
      }),
    )
    await Promise.resolve()
    expect(started).toEqual([0, 1])
    works[1]?.resolve('one')
    expect(await results[1]).toBe('one')
    expect(started).toEqual([0, 1, 2])
    works[0]?.reject(new Error('failed'))
    await expect(results[0]).rejects.toThrow('failed')
    await eventuallyStarted(started, 4)
    works[2]?.resolve('two')
    works[3]?.resolve('three')
    expect(await Promise.all([results[2], results[3]])).toEqual(['two', 'three'])
    expect(await slots.run(async () => 'again')).toBe('again')
  })

  test('refuse those who find too many in line', async () => {
    const slots = createSlots({ slots: 1, maxWaiting: 1 })
    const first = pending()
    const running = slots.run(first.work)
    const waiting = slots.run(async () => 'waited')
    await expect(slots.run(async () => 'never')).rejects.toThrow('too many wait for a slot')
    first.resolve('ran')
    expect(await Promise.all([running, waiting])).toEqual(['ran', 'waited'])
  })
})

async function eventuallyStarted(started: readonly number[], count: number): Promise<void> {
  for (let turn = 0; started.length < count && turn < 10; turn += 1) await Promise.resolve()
  expect(started).toHaveLength(count)
}
