import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createInventory, manageStates } from '../inventory.ts'

describe('createInventory', () => {
  it('derives ids that lead back to their server', () => {
    const inventory = createInventory('p', { count: 300 })
    const ids = Array.from({ length: 300 }, (_, index) => inventory.idOf(index))
    expect(new Set(ids).size).toBe(300)
    expect(ids.map((id) => inventory.indexOf(id))).toEqual(ids.map((_, index) => index))
    expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it('knows no server of another project or beyond its size', () => {
    const inventory = createInventory('p', { count: 3 })
    expect(inventory.indexOf(createInventory('q', { count: 3 }).idOf(0))).toBeUndefined()
    expect(inventory.indexOf(createInventory('p', { count: 9 }).idOf(5))).toBeUndefined()
    expect(inventory.indexOf(inventory.idOf(0).toUpperCase())).toBeUndefined()
    expect(inventory.indexOf('')).toBeUndefined()
  })

  it('takes named servers and refuses one named twice', () => {
    const inventory = createInventory('p', {
      servers: [{ id: 'a' }, { id: 'b', manage_state: 'maintain' }, { id: 'c', frozen_state: 4 }],
    })
    expect(inventory.idle()).toBe(1)
    expect(inventory.takeIdle(1, () => 0.99).map(inventory.idOf)).toEqual(['a'])
    expect(() => createInventory('p', { servers: [{ id: 'a' }, { id: 'a' }] })).toThrow('distinct')
  })

  it('agrees with a plain list of states after any changes', () => {
    const change = fc.oneof(
      fc.record({ set: fc.nat(9), state: fc.constantFrom(...manageStates) }),
      fc.record({ freeze: fc.nat(9), frozen: fc.constantFrom(0, 4) }),
      fc.record({ take: fc.nat(10), draw: fc.double({ min: 0, max: 0.999, noNaN: true }) }),
    )
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const inventory = createInventory('p', { count: 10 })
        const model = Array.from({ length: 10 }, () => ({ state: 'ready', frozen: 0 }))
        const free = () => model.filter((server) => server.state === 'ready' && server.frozen === 0)
        for (const step of changes) {
          if ('set' in step) {
            inventory.setState(step.set, step.state)
            Object.assign(model[step.set] ?? {}, { state: step.state })
          } else if ('freeze' in step) {
            inventory.setFrozen(step.freeze, step.frozen)
            Object.assign(model[step.freeze] ?? {}, { frozen: step.frozen })
          } else {
            const taken = inventory.takeIdle(Math.min(step.take, inventory.idle()), () => step.draw)
            expect(new Set(taken).size).toBe(taken.length)
            for (const index of taken) {
              expect(model[index]).toEqual({ state: 'ready', frozen: 0 })
              Object.assign(model[index] ?? {}, { state: 'in-use' })
            }
          }
          expect(inventory.idle()).toBe(free().length)
          expect(model.map((_, index) => inventory.stateOf(index))).toEqual(model.map(({ state }) => state))
          for (const state of manageStates) {
            expect(inventory.count(state)).toBe(model.filter((server) => server.state === state).length)
          }
        }
      }),
    )
  })
})
