import { expect, test } from 'vitest'
import { once } from '../../src/runtime/once.ts'

/** Work whose tries end as the test says. */
function heldWork() {
  const tries: PromiseWithResolvers<string>[] = []
  const done = once(() => {
    const next = Promise.withResolvers<string>()
    tries.push(next)
    return next.promise
  })
  return { done, tries }
}

test('work is done once, and all who ask get its result', async () => {
  const { done, tries } = heldWork()
  const asked = [done(), done()]
  tries[0]?.resolve('result')
  expect(await Promise.all([...asked, done()])).toEqual(['result', 'result', 'result'])
  expect(tries).toHaveLength(1)
})

test('a try that failed fails for those who waited for it, and the next to ask begins another', async () => {
  const { done, tries } = heldWork()
  const asked = Promise.allSettled([done(), done()])
  tries[0]?.reject(new Error('not yet'))
  expect((await asked).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  const again = done()
  tries[1]?.resolve('result')
  expect(await again).toBe('result')
  expect(tries).toHaveLength(2)
})
