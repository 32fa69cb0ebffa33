import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  judge,
  type Look,
  type LookMemory,
  type Verdict,
  type VerdictRules,
} from '../../src/attempt/verdict.ts'

const SETTLE_MS = 60_000
const BLANK: LookMemory = { listingsWithout: 0, found: [], agreed: 0 }
const rules = (changes: Partial<VerdictRules> = {}): VerdictRules => ({
  place: 'metadata',
  least: 1,
  expected: 3,
  settleMs: SETTLE_MS,
  ...changes,
})

/** Judges looks one after the other, as the reconciler does, until there is a verdict. */
function judgeAll(looks: readonly Partial<Look>[], given: VerdictRules): { verdict: Verdict; looks: number } {
  let memory = BLANK
  let verdict: Verdict = { kind: 'look_again' }
  let count = 0
  for (const look of looks) {
    const judged = judge(memory, { beganMs: 0, own: [], lookalikes: [], named: [], ...look }, given)
    memory = judged.memory
    verdict = judged.verdict
    count += 1
    if (verdict.kind === 'adopt' || verdict.kind === 'void') break
  }
  return { verdict, looks: count }
}

const AFTER = SETTLE_MS
const BEFORE = SETTLE_MS - 1

describe('an attempt with a marker', () => {
  test('is adopted at once when as many instances are found as could have been created', () => {
    expect(judgeAll([{ beganMs: 5, own: ['a', 'b', 'c'] }], rules())).toEqual({
      verdict: { kind: 'adopt', instanceIds: ['a', 'b', 'c'], excess: 0 },
      looks: 1,
    })
  })

  test('is adopted whole, and the excess told, when more are found', () => {
    const { verdict } = judgeAll([{ beganMs: 5, own: ['a', 'b', 'c', 'd'] }], rules())
    expect(verdict).toEqual({ kind: 'adopt', instanceIds: ['a', 'b', 'c', 'd'], excess: 1 })
  })

  test.each([
    ['one listing after the settling time', [{ beganMs: AFTER, own: ['a'] }], 'look_again'],
    [
      'two listings before its end',
      [
        { beganMs: 1, own: ['a'] },
        { beganMs: BEFORE, own: ['a'] },
      ],
      'look_again',
    ],
    [
      'two, the last one after it',
      [
        { beganMs: 1, own: ['a'] },
        { beganMs: AFTER, own: ['a'] },
      ],
      'adopt',
    ],
    [
      'two that differ, the last one after it',
      [
        { beganMs: 1, own: ['a'] },
        { beganMs: AFTER, own: ['a', 'b'] },
      ],
      'look_again',
    ],
    [
      'a third that agrees',
      [
        { beganMs: 1, own: ['a'] },
        { beganMs: AFTER, own: ['a', 'b'] },
        { beganMs: AFTER, own: ['a', 'b'] },
      ],
      'adopt',
    ],
  ])('with fewer than expected: %s', (_, looks, kind) => {
    expect(judgeAll(looks, rules()).verdict.kind).toBe(kind)
  })

  test('keeps what one listing has shown and a later one has not', () => {
    const looks = [
      { beganMs: 1, own: ['a', 'b'] },
      { beganMs: AFTER, own: ['a'] },
    ]
    expect(judgeAll(looks, rules()).verdict).toEqual({ kind: 'adopt', instanceIds: ['a', 'b'], excess: 0 })
  })

  test.each([
    ['one listing, after the settling time', [{ beganMs: AFTER }], 'look_again'],
    ['many listings before its end', [{ beganMs: 1 }, { beganMs: 2 }, { beganMs: BEFORE }], 'look_again'],
    ['two listings, the last one after it', [{ beganMs: 1 }, { beganMs: AFTER }], 'void'],
  ])('with nothing found: %s', (_, looks, kind) => {
    expect(judgeAll(looks, rules()).verdict.kind).toBe(kind)
  })
})

describe('an attempt without a marker', () => {
  const unmarked = rules({ place: 'none' })

  test('is void after two listings since the settling time without anything like it', () => {
    expect(judgeAll([{ beganMs: 1 }, { beganMs: AFTER }], unmarked).verdict.kind).toBe('look_again')
    expect(judgeAll([{ beganMs: AFTER }, { beganMs: AFTER + 1 }], unmarked).verdict.kind).toBe('void')
  })

  test('waits for a person while there is something like it', () => {
    const alike = { beganMs: AFTER, lookalikes: ['x'] }
    expect(judgeAll([alike, alike, alike], unmarked).verdict.kind).toBe('manual')
    expect(judgeAll([alike, { beganMs: AFTER }, alike, { beganMs: AFTER }], unmarked).verdict.kind).toBe(
      'look_again',
    )
  })
})

describe('an attempt whose answer named instances, and broke its promise', () => {
  const NAMED = { named: ['a'] }
  const adopts = (looks: readonly Partial<Look>[], given: VerdictRules) => {
    const { verdict } = judgeAll(looks, given)
    return verdict.kind === 'adopt' ? verdict.instanceIds : verdict.kind
  }

  test.each<[string, Partial<Look>[], readonly string[] | string]>([
    ['is adopted at once when all are found', [{ own: ['a', 'b', 'c'], ...NAMED }], ['a', 'b', 'c']],
    [
      'waits for the settling time when some are found',
      [
        { own: ['a', 'b'], ...NAMED },
        { own: ['a', 'b'], beganMs: BEFORE, ...NAMED },
      ],
      'look_again',
    ],
    [
      'is adopted then as far as it was found',
      [
        { own: ['a', 'b'], ...NAMED },
        { own: ['a', 'b'], beganMs: AFTER, ...NAMED },
      ],
      ['a', 'b'],
    ],
    [
      'is adopted with what was named and is not listed',
      [
        { own: ['b'], ...NAMED },
        { own: ['b'], beganMs: AFTER, ...NAMED },
      ],
      ['b', 'a'],
    ],
    ['is adopted, and not void, when nothing is listed', [NAMED, { beganMs: AFTER, ...NAMED }], ['a']],
    [
      'is not adopted with more than was promised',
      [{ own: ['a', 'b', 'c'], named: ['a', 'b', 'c', 'd'] }],
      ['a', 'b', 'c'],
    ],
    [
      'is adopted with as many of those named as were promised',
      [{ named: ['a', 'b', 'c', 'd'] }, { beganMs: AFTER, named: ['a', 'b', 'c', 'd'] }],
      ['a', 'b', 'c'],
    ],
  ])('%s', (_, looks, expected) => {
    expect(adopts(looks, rules())).toEqual(expected)
  })

  const twice = (look: Partial<Look>) => [
    { ...look, beganMs: AFTER },
    { ...look, beganMs: AFTER + 1 },
  ]

  test.each<[string, Partial<Look>, readonly string[] | string]>([
    ['what it named, when nothing else is alike', { named: ['a'], lookalikes: ['a'] }, ['a']],
    ['what it named, although that is not listed', { named: ['a'] }, ['a']],
    [
      'all that is alike, when it must have made as many',
      { named: ['a'], lookalikes: ['a', 'b'] },
      ['a', 'b'],
    ],
    ['nothing, when more are alike', { named: ['a'], lookalikes: ['a', 'b', 'c'] }, 'manual'],
    ['nothing, when it named nothing', { lookalikes: ['a', 'b'] }, 'manual'],
  ])('adopts without a marker %s', (_, look, expected) => {
    const unmarked = rules({ place: 'none', least: 2 })
    expect(adopts(twice(look), unmarked)).toEqual(expected)
    expect(judgeAll([{ ...look, beganMs: BEFORE }], unmarked).verdict.kind).toBe('look_again')
    if (typeof expected !== 'string') {
      expect(judgeAll([{ ...look, beganMs: AFTER }], unmarked).verdict.kind).toBe('look_again')
    }
  })

  test('without a marker needs two listings in a row that leave the same in question', () => {
    const unmarked = rules({ place: 'none', least: 3 })
    const looks = [
      { beganMs: AFTER, named: ['a'], lookalikes: ['a', 'b'] },
      { beganMs: AFTER, named: ['a'], lookalikes: ['a', 'b', 'c'] },
    ]
    expect(adopts(looks, unmarked)).toBe('look_again')
    expect(adopts([...looks, ...looks.slice(1)], unmarked)).toEqual(['a', 'b', 'c'])
  })

  test('is never void, and adopts all that was found', () => {
    const ids = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 5 })
    const looks = fc.array(fc.record({ beganMs: fc.nat({ max: 2 * SETTLE_MS }), own: ids }), { minLength: 1 })
    fc.assert(
      fc.property(looks, ids, fc.integer({ min: 1, max: 4 }), (all, named, expected) => {
        fc.pre(named.length > 0)
        const { verdict, looks: count } = judgeAll(
          all.map((look) => ({ ...look, named })),
          rules({ expected }),
        )
        expect(verdict.kind).not.toBe('void')
        if (verdict.kind !== 'adopt') return
        const found = new Set(all.slice(0, count).flatMap((one) => one.own))
        const adopted = new Set(verdict.instanceIds)
        expect(found.isSubsetOf(adopted)).toBe(true)
        expect(adopted.isSubsetOf(found.union(new Set(named)))).toBe(true)
        expect(adopted.size).toBeLessThanOrEqual(Math.max(found.size, expected))
        expect(adopted.size).toBeGreaterThanOrEqual(Math.min(named.length, expected))
      }),
    )
  })
})

describe('whatever the listings show', () => {
  const ids = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 5 })
  const look = fc.record({
    beganMs: fc.integer({ min: 0, max: 2 * SETTLE_MS }),
    own: fc.oneof(fc.constant([]), ids),
    lookalikes: fc.oneof(fc.constant([]), ids),
    named: fc.constant([] as string[]),
  })
  const looks = fc
    .array(look, { minLength: 1, maxLength: 8 })
    .map((all) => all.toSorted((a, b) => a.beganMs - b.beganMs))
  const anyRules = fc.record({
    place: fc.constantFrom('metadata' as const, 'description' as const, 'none' as const),
    least: fc.constant(1),
    expected: fc.integer({ min: 1, max: 4 }),
    settleMs: fc.constant(SETTLE_MS),
  })

  test('void needs two complete listings without it, the last one begun after the settling time', () => {
    fc.assert(
      fc.property(looks, anyRules, (all, given) => {
        const { verdict, looks: count } = judgeAll(all, given)
        if (verdict.kind !== 'void') return
        const seen = all.slice(0, count)
        const last = seen.at(-1)
        expect(last?.beganMs).toBeGreaterThanOrEqual(SETTLE_MS)
        expect(count).toBeGreaterThanOrEqual(2)
        if (given.place === 'none') {
          const deciding = seen.slice(-2)
          expect(deciding.every((one) => one.beganMs >= SETTLE_MS && one.lookalikes.length === 0)).toBe(true)
        } else expect(seen.flatMap((one) => one.own)).toEqual([])
      }),
    )
  })

  test('what is adopted is all that was ever found, and never nothing', () => {
    fc.assert(
      fc.property(looks, anyRules, (all, given) => {
        const { verdict, looks: count } = judgeAll(all, given)
        if (verdict.kind !== 'adopt') return
        const found = new Set(all.slice(0, count).flatMap((one) => one.own))
        expect(new Set(verdict.instanceIds)).toEqual(found)
        expect(verdict.instanceIds.length).toBe(found.size)
        expect(found.size).toBeGreaterThan(0)
        expect(verdict.excess).toBe(Math.max(0, found.size - given.expected))
      }),
    )
  })

  test('fewer than expected are adopted only after the settling time', () => {
    fc.assert(
      fc.property(looks, anyRules, (all, given) => {
        const { verdict, looks: count } = judgeAll(all, given)
        if (verdict.kind !== 'adopt' || verdict.instanceIds.length >= given.expected) return
        expect(all[count - 1]?.beganMs).toBeGreaterThanOrEqual(SETTLE_MS)
      }),
    )
  })

  test('an attempt without a marker is never adopted', () => {
    fc.assert(
      fc.property(looks, anyRules, (all, given) => {
        expect(judgeAll(all, { ...given, place: 'none' }).verdict.kind).not.toBe('adopt')
      }),
    )
  })

  test('an attempt with a marker ends once listings go on after the settling time', () => {
    fc.assert(
      fc.property(looks, ids, anyRules, (all, last, given) => {
        const place = given.place === 'none' ? 'metadata' : given.place
        const after = { beganMs: 3 * SETTLE_MS, own: last }
        const { verdict } = judgeAll([...all, after, after, after], { ...given, place })
        expect(['adopt', 'void']).toContain(verdict.kind)
      }),
    )
  })
})
