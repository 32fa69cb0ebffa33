import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, test } from 'vitest'
import { parseFaultPlan } from '../../dev/chaos/fault-plan.ts'
import { channelName, reached, STEPS } from '../../src/runtime/steps.ts'

describe('a fault plan', () => {
  test.each(STEPS)('can name %s', (step) => {
    expect(parseFaultPlan(`${step}:3:kill`)).toEqual({ step, pass: 3, signal: 'SIGKILL' })
    expect(parseFaultPlan(`${step}:1:stop`)).toEqual({ step, pass: 1, signal: 'SIGSTOP' })
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

describe('a step', () => {
  test('is told to those who watch it, and to nobody else', () => {
    const seen: unknown[] = []
    const watch = (message: unknown) => seen.push(message)
    subscribe(channelName('dispatch.claimed'), watch)
    reached('dispatch.claimed')
    reached('dispatch.sending')
    unsubscribe(channelName('dispatch.claimed'), watch)
    reached('dispatch.claimed')
    expect(seen).toEqual([{ step: 'dispatch.claimed' }])
  })
})
