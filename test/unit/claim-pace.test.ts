import { describe, expect, test } from 'vitest'
import { createClaimPace } from '../../src/dispatch/claim-pace.ts'

function setUp({ concurrency = 4, random = (): number => 0 } = {}) {
  const told = { roomInMs: [] as number[], inFlight: [] as number[] }
  const clock = { at: 0 }
  const pace = createClaimPace({
    concurrency,
    onRoom: (inMs) => told.roomInMs.push(inMs),
    onInFlight: (calls) => told.inFlight.push(calls),
    random,
    now: () => clock.at,
  })
  return { pace, told, clock }
}

describe('the pace of claims', () => {
  test('leaves room for as many calls as may be in flight, and takes it back claim by claim', () => {
    const { pace, told } = setUp()
    expect(pace.room()).toBe(4)
    pace.claimed({ asked: 4, got: 3 })
    expect(pace.room()).toBe(1)
    pace.answered()
    expect(pace.room()).toBe(2)
    expect(told.inFlight).toEqual([3, 2])
  })

  test('has room once most of the calls are over, where a claim has left work behind', () => {
    const { pace, told } = setUp()
    pace.claimed({ asked: 4, got: 4 })
    pace.answered()
    pace.answered()
    expect(pace.room()).toBe(0)
    pace.answered()
    expect(pace.room()).toBe(3)
    expect(told.roomInMs).toEqual([15, 15, 0])
  })

  test('has room after a moment however many calls hang', () => {
    const { pace, told, clock } = setUp()
    pace.claimed({ asked: 4, got: 4 })
    clock.at = 10
    pace.answered()
    expect(told.roomInMs).toEqual([5])
    clock.at = 15
    expect(pace.room()).toBe(1)
  })

  test('tells of no room where the last claim took all there was', () => {
    const { pace, told } = setUp()
    pace.claimed({ asked: 4, got: 3 })
    for (let call = 0; call < 3; call += 1) {
      pace.answered()
      pace.recorded()
    }
    expect(told.roomInMs).toEqual([])
  })

  test('tells of room again when the database has taken in what was waiting for it', () => {
    const { pace, told } = setUp({ concurrency: 1 })
    for (let call = 0; call < 8; call += 1) {
      pace.claimed({ asked: 1, got: 1 })
      pace.answered()
    }
    expect(pace.room()).toBe(0)
    const before = told.roomInMs.length
    pace.recorded()
    expect(pace.room()).toBe(1)
    expect(told.roomInMs).toHaveLength(before + 1)
  })

  test('claims for the next token after gathering, and sleeps where none is waited for', () => {
    const { pace } = setUp()
    pace.claimed({ asked: 4, got: 1 })
    expect(pace.next({ got: 1, tokenInMs: 3 })).toEqual({ again: false, waitMs: 20 })
    expect(pace.next({ got: 1, tokenInMs: 90 })).toEqual({ again: false, waitMs: 90 })
    expect(pace.next({ got: 1, tokenInMs: null })).toEqual({ again: false })
  })

  test('sleeps after a claim that got all it asked for: the next one is due when there is room', () => {
    const { pace } = setUp()
    pace.claimed({ asked: 4, got: 4 })
    expect(pace.next({ got: 4, tokenInMs: 90 })).toEqual({ again: false })
  })

  test('comes later each time that it came too late for tokens, up to a limit', () => {
    const { pace } = setUp({ random: () => 1 })
    const waits = Array.from({ length: 20 }, () => {
      pace.claimed({ asked: 4, got: 0 })
      const result = pace.next({ got: 0, tokenInMs: 100 })
      return result.again ? undefined : result.waitMs
    })
    expect(waits.slice(0, 3)).toEqual([110, 120, 130])
    expect(waits.at(-1)).toBe(250)
    pace.claimed({ asked: 4, got: 1 })
    expect(pace.next({ got: 1, tokenInMs: 100 })).toEqual({ again: false, waitMs: 100 })
  })
})
