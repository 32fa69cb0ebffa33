import { expect, it } from 'vitest'
import { createStaleGuard } from '../../src/budget/stale-guard.ts'

it('refuses all that was paid for together before the process was stopped, and nothing of later', () => {
  const guard = createStaleGuard()
  const before = () => 60_000
  for (let call = 0; call < 20; call += 1) expect(() => guard.check(before)).toThrow('held up for 60000 ms')
  expect(() => guard.check(() => 5)).not.toThrow()
  expect(() => guard.check(before)).toThrow()
})

it('does not refuse for ever where the way is slow', () => {
  const guard = createStaleGuard()
  const refused = Array.from({ length: 5 }, () => {
    try {
      guard.check(() => 3000)
      return false
    } catch {
      return true
    }
  })
  expect(refused).toEqual([true, true, true, false, false])
})
