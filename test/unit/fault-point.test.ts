import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  createFaultPoint,
  FAULT_POINTS,
  noFaultPoint,
  parseFaultPlan,
} from '../../src/runtime/fault-point.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

describe('a fault plan', () => {
  test.each(FAULT_POINTS)('can name %s', (point) => {
    expect(parseFaultPlan(`${point}:3:kill`)).toEqual({ point, pass: 3, signal: 'SIGKILL' })
    expect(parseFaultPlan(`${point}:1:stop`)).toEqual({ point, pass: 1, signal: 'SIGSTOP' })
  })

  test.each([
    ['', /known are intake\.received/],
    ['dispatch', /known are/],
    ['dispatch.claimed', /needs the pass/],
    ['dispatch.claimed:0:kill', /needs the pass/],
    ['dispatch.claimed:x:kill', /needs the pass/],
    ['dispatch.claimed:1', /:kill or :stop/],
    ['dispatch.claimed:1:term', /:kill or :stop/],
  ])('that reads %j is refused', (text, reason) => {
    expect(() => parseFaultPlan(text)).toThrow(reason)
  })
})

describe('a fault point', () => {
  test('sends the signal at its pass, once, and at no other point', () => {
    const kill = vi.spyOn(process, 'kill').mockReturnValue(true)
    const point = createFaultPoint(parseFaultPlan('dispatch.claimed:2:kill'))
    point('dispatch.claimed')
    point('dispatch.sending')
    expect(kill).not.toHaveBeenCalled()
    point('dispatch.claimed')
    point('dispatch.claimed')
    expect(kill.mock.calls).toEqual([[process.pid, 'SIGKILL']])
  })

  test('does nothing without a plan', () => {
    expect(createFaultPoint(null)).toBe(noFaultPoint)
    for (const point of FAULT_POINTS) noFaultPoint(point)
  })
})
