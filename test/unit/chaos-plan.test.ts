import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CREDENTIAL_TROUBLES, keysNeeded } from '../../dev/chaos/credential-plan.ts'
import { commandOf, readOptions, UsageError } from '../../dev/chaos/options.ts'
import { FAULT_KINDS, type FaultKind, planFaults } from '../../dev/chaos/plan.ts'

const plan = (changes: Partial<Parameters<typeof planFaults>[0]> = {}) =>
  planFaults({
    seed: 1,
    durationMs: 60_000,
    kills: 30,
    replicas: 3,
    projects: 6,
    leaseMs: 3000,
    faults: FAULT_KINDS,
    ...changes,
  })

describe('the plan of a chaos run', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(plan()).toEqual(plan())
    expect(plan()).not.toEqual(plan({ seed: 2 }))
  })

  it('has the kills it was asked for, of replicas that exist, within the time, in order', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 100 }), fc.integer({ min: 1, max: 5 }), (seed, kills, replicas) => {
        const planned = plan({ seed, kills, replicas })
        expect(planned.filter(({ fault }) => fault.kind === 'kill')).toHaveLength(kills)
        for (const { atMs, fault } of planned) {
          expect(atMs).toBeLessThanOrEqual(60_000)
          if ('replica' in fault) expect(fault.replica).toBeLessThan(replicas)
        }
        expect(planned.map(({ atMs }) => atMs)).toEqual(
          planned.map(({ atMs }) => atMs).toSorted((a, b) => a - b),
        )
      }),
    )
  })

  it('has every kind that is asked for, and no other', () => {
    // Fault points are no moments in time: replicas carry them.
    for (const kind of FAULT_KINDS.filter((one) => one !== 'points')) {
      expect(new Set(plan({ faults: [kind] }).map(({ fault }) => fault.kind))).toEqual(new Set([kind]))
    }
    expect(plan({ faults: ['points'] })).toEqual([])
  })

  it('draws the same for the other kinds, whether or not credentials are struck', () => {
    const others = FAULT_KINDS.filter((kind) => kind !== 'credential')
    expect(plan().filter(({ fault }) => fault.kind !== 'credential')).toEqual(plan({ faults: others }))
  })

  it('strikes credentials in every way, of projects that exist, and knows how many keys that takes', () => {
    const faults = plan({ faults: ['credential'], durationMs: 3_600_000 }).map(({ fault }) => fault)
    expect(new Set(faults.map((fault) => ('how' in fault ? fault.how : '')))).toEqual(
      new Set(CREDENTIAL_TROUBLES),
    )
    for (const fault of faults) if ('project' in fault) expect(fault.project).toBeLessThan(6)
    const replacing = faults.filter(
      (fault) => 'how' in fault && ['key_locked', 'key_replaced'].includes(fault.how),
    )
    expect(keysNeeded(faults)).toBe(replacing.length + 1)
  })

  it('never holds calls back on their way to CloudDC', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        for (const { fault } of plan({ seed, faults: ['network'] })) {
          if (fault.kind === 'network' && fault.link === 'cloud') expect(fault.how).not.toBe('freeze')
        }
      }),
    )
  })

  it('pauses replicas for less and for more than their lease', () => {
    const pauses = plan({ faults: ['pause'], durationMs: 3_600_000 }).flatMap(({ fault }) =>
      fault.kind === 'pause' ? [fault.forMs] : [],
    )
    expect(Math.min(...pauses)).toBeLessThan(3000)
    expect(Math.max(...pauses)).toBeGreaterThan(3000)
  })
})

describe('the options of the chaos run', () => {
  it('draw a seed where none is given, and repeat a run by it', () => {
    const given = [
      '--requests',
      '500',
      '--rate',
      '2.5',
      '--burst',
      '1',
      '--auth',
      'oidc',
      '--faults',
      'kill,network',
    ]
    const options = readOptions([...given, '--minutes', '0.5'])
    expect(options).toMatchObject({ requests: 500, rate: 2.5, burst: 1 })
    expect(options?.seed).toBeGreaterThanOrEqual(0)
    if (options === null) throw new Error('these were no options')
    const args = commandOf(options).replace('npm run chaos -- ', '').split(' ')
    expect(readOptions(args)).toEqual(options)
  })

  it.each([
    [['--faults', 'kill,sabotage'], /--faults must be all/],
    [['--kill', '3'], /--kill/],
    [['--seed', 'x'], /--seed must be a whole number/],
    [['--minutes', '0'], /--minutes must be a number/],
    [['--rate', '0', '--burst', '0.5'], /--rate must be a number.*\n--burst must be a whole number/],
  ])('refuse %j', (args, message) => {
    expect(() => readOptions(args)).toThrow(UsageError)
    expect(() => readOptions(args)).toThrow(message)
  })

  it('take every kind by its name', () => {
    const kinds: FaultKind[] = [...FAULT_KINDS]
    expect(readOptions(['--faults', kinds.join(',')])?.faults).toEqual(kinds)
    expect(readOptions([])?.faults).toEqual(kinds)
  })
})
