import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createKeptReading } from '../../src/runtime/kept-reading.ts'

/** Timers of no length that were set before have run. */
const nextTimers = () => sleep(1, undefined)

/** A reading whose answers the test gives. */
function scripted(options: {
  freshMs?: number
  share?: number
  patienceMs?: number
  mostMs?: number
  stuckMs?: number
}) {
  const asked: PromiseWithResolvers<string>[] = []
  const { freshMs = 3_600_000, share = 1, ...bounds } = options
  const { get, outdate } = createKeptReading({
    read: () => {
      const answer = Promise.withResolvers<string>()
      asked.push(answer)
      return answer.promise
    },
    freshMs,
    share,
    ...bounds,
  })
  return { get, outdate, asked }
}

test('all who ask at once get one reading, and those who ask soon after it the same', async () => {
  const { get, asked } = scripted({})
  const waiting = [get(), get(), get()]
  asked[0]?.resolve('one')
  expect(await Promise.all(waiting)).toEqual(['one', 'one', 'one'])
  expect(await get()).toBe('one')
  expect(asked).toHaveLength(1)
})

test('a value that is not fresh is read again', async () => {
  const { get, asked } = scripted({ freshMs: 0 })
  const first = get()
  asked[0]?.resolve('one')
  await first
  const second = get()
  asked[1]?.resolve('two')
  expect(await second).toBe('two')
})

test('a reading that takes long serves for longer, by the share that it may take; the first one is not counted', async () => {
  const { get, asked } = scripted({ freshMs: 0, share: 1e-9 })
  const first = get()
  asked[0]?.resolve('one')
  await first
  const second = get()
  asked[1]?.resolve('two')
  expect(await second).toBe('two')
  expect(await get()).toBe('two')
  expect(asked).toHaveLength(2)
})

test('a value is read again after the most that it may serve, however long reading takes', async () => {
  const { get, asked } = scripted({ share: 1e-9, mostMs: 0 })
  for (const [place, value] of ['one', 'two', 'three'].entries()) {
    const reading = get()
    asked[place]?.resolve(value)
    expect(await reading).toBe(value)
  }
})

test('a value that is too old is for nobody, not even for those who lose patience', async () => {
  const { get, asked } = scripted({ freshMs: 0, patienceMs: 0, mostMs: 0 })
  const first = get()
  asked[0]?.resolve('old')
  await first
  const second = get()
  const early = await Promise.race([second, nextTimers()])
  expect(early).toBeUndefined()
  asked[1]?.resolve('new')
  expect(await second).toBe('new')
})

test('who loses patience gets the value before, and the next one the new value', async () => {
  const { get, asked } = scripted({ freshMs: 0, patienceMs: 1 })
  const first = get()
  asked[0]?.resolve('one')
  await first
  expect(await get()).toBe('one')
  expect(asked).toHaveLength(2)
  const next = get()
  asked[1]?.resolve('two')
  expect(['one', 'two']).toContain(await next)
})

test('an error is for those who wait, and the next one reads again', async () => {
  const { get, asked } = scripted({})
  const first = get()
  asked[0]?.reject(new Error('no database'))
  await expect(first).rejects.toThrow('no database')
  const second = get()
  asked[1]?.resolve('one')
  expect(await second).toBe('one')
})

test('an error that comes after all have lost patience harms nobody', async () => {
  const { get, asked } = scripted({ freshMs: 0, patienceMs: 1 })
  const first = get()
  asked[0]?.resolve('one')
  await first
  expect(await get()).toBe('one')
  asked[1]?.reject(new Error('no database'))
  await asked[1]?.promise.catch(() => undefined)
  const third = get()
  asked[2]?.resolve('three')
  expect(await third).toBe('three')
})

test('while readings fail nobody gets the value before: all are told of the error', async () => {
  const { get, asked } = scripted({ freshMs: 0, patienceMs: 1 })
  const first = get()
  asked[0]?.resolve('one')
  await first
  expect(await get()).toBe('one')
  asked[1]?.reject(new Error('no database'))
  await asked[1]?.promise.catch(() => undefined)
  const third = get()
  expect(await Promise.race([third, nextTimers()])).toBeUndefined()
  asked[2]?.reject(new Error('still no database'))
  await expect(third).rejects.toThrow('still no database')
})

test('a reading that does not end is waited for', async () => {
  const { get, asked } = scripted({ freshMs: 0, patienceMs: 1, stuckMs: 0 })
  const first = get()
  asked[0]?.resolve('one')
  await first
  const [second] = [get(), await nextTimers()]
  const third = get()
  asked[1]?.reject(new Error('no database'))
  await expect(third).rejects.toThrow('no database')
  expect(await second).toBe('one')
})

test('after a change it is read again, also where a reading had begun before it', async () => {
  const { get, outdate, asked } = scripted({})
  const first = get()
  outdate()
  asked[0]?.resolve('before')
  expect(await first).toBe('before')
  const second = get()
  asked[1]?.resolve('after')
  expect(await second).toBe('after')
  expect(await get()).toBe('after')
  outdate()
  const third = get()
  asked[2]?.resolve('after another')
  expect(await third).toBe('after another')
})
