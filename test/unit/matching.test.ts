import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildBatchCreateBody } from '../../src/attempt/create-body.ts'
import { MARKER_KEY, markerPlace } from '../../src/attempt/marker.ts'
import { findLookalikes, findNamed, findOwn, relevanceTo, soughtOf } from '../../src/attempt/matching.ts'
import type { UpstreamInstance } from '../../src/clouddc/wire.ts'

const ATTEMPT = '0198170e-4ca7-7ee4-89a7-fa631843920b'
const OTHER = '0198170e-4ca7-7ee4-89a7-fa6318439999'
const STARTED = new Date('2026-11-23T12:00:00Z')
const NOTHING_KNOWN = new Map<string, string>()

const SPEC = {
  name: 'web',
  image_id: 'image',
  vpc_id: 'vpc',
  network_interfaces: [{ subnet_id: 'subnet' }],
  min_count: 1,
  max_count: 3,
}
const tenPairs = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`key-${n}`, `${n}`]))
const UNMARKED = { ...SPEC, metadata: tenPairs, description: 'x'.repeat(255) }

function seek(spec: Record<string, unknown>, { attemptId = ATTEMPT, evidence = null as unknown } = {}) {
  return soughtOf({ attemptId, spec, minCount: 1, maxCount: 3, evidence, startedAt: STARTED })
}

function instance(changes: Partial<UpstreamInstance> = {}): UpstreamInstance {
  return {
    id: 'i-1',
    name: 'web',
    serverId: 's-1',
    imageId: null,
    networkInterfaces: null,
    state: 'pending',
    upstreamState: 'pending',
    metadata: {},
    description: null,
    createdAt: '2026-11-23T12:00:01Z',
    error: null,
    ...changes,
  }
}

/** The instance that CloudDC would make of a request's call. */
function createdBy(spec: Record<string, unknown>, attemptId = ATTEMPT): UpstreamInstance {
  const marker = { key: MARKER_KEY, value: attemptId, place: markerPlace(spec) }
  const body = JSON.parse(buildBatchCreateBody(spec, 'Passw0rd!', marker))
  return instance({ name: body.name, metadata: body.metadata ?? {}, description: body.description ?? null })
}

describe('what was created by an attempt', () => {
  test.each([
    ['metadata', SPEC],
    ['metadata', { ...SPEC, metadata: { team: 'blue' }, description: 'words' }],
    ['description', { ...SPEC, metadata: tenPairs }],
    ['description', { ...SPEC, metadata: tenPairs, description: 'words' }],
    ['description', { ...SPEC, metadata: { [MARKER_KEY]: 'theirs' } }],
  ])('is found by the marker in the %s', (place, spec) => {
    const sought = seek(spec)
    expect(sought.place).toBe(place)
    expect(findOwn(sought, [createdBy(spec)], NOTHING_KNOWN)).toHaveLength(1)
    expect(findOwn(sought, [createdBy(spec, OTHER), instance()], NOTHING_KNOWN)).toEqual([])
  })

  test('is not found without a marker', () => {
    expect(seek(UNMARKED).place).toBe('none')
    expect(findOwn(seek(UNMARKED), [createdBy(UNMARKED)], NOTHING_KNOWN)).toEqual([])
  })

  test('is not what another attempt is known to own', () => {
    const own = createdBy(SPEC)
    expect(findOwn(seek(SPEC), [own], new Map([[own.id, OTHER]]))).toEqual([])
    expect(findOwn(seek(SPEC), [own], new Map([[own.id, ATTEMPT]]))).toEqual([own])
  })

  test('is told from what a sender wrote in the place of a marker', () => {
    const forged = { ...SPEC, metadata: { [MARKER_KEY]: ATTEMPT } }
    const theirs = createdBy(forged, OTHER)
    expect(findOwn(seek(SPEC), [theirs], NOTHING_KNOWN)).toEqual([theirs])
    expect(findOwn(seek(forged, { attemptId: OTHER }), [theirs], NOTHING_KNOWN)).toEqual([theirs])
    const alsoForged = createdBy({ ...SPEC, description: `${MARKER_KEY}:${ATTEMPT}` }, OTHER)
    expect(findOwn(seek(SPEC), [alsoForged], NOTHING_KNOWN)).toEqual([])
  })
})

describe('what an attempt expects', () => {
  test('is the greatest count, or as many as it selects distinct servers', () => {
    expect(seek(SPEC)).toMatchObject({ expected: 3, servers: [] })
    const selected = { ...SPEC, placement: { server_id_set: ['s-1', 's-2', 's-1'] } }
    expect(seek(selected)).toMatchObject({ expected: 2, servers: ['s-1', 's-2'] })
  })
})

describe('what an unmarked attempt may have created', () => {
  const sought = seek(UNMARKED)
  const like = createdBy(UNMARKED)

  test.each<[string, Partial<UpstreamInstance>, boolean]>([
    ['the same in all', {}, true],
    ['another name', { name: 'db' }, false],
    ['other metadata', { metadata: { ...tenPairs, 'key-0': 'other' } }, false],
    ['a pair less', { metadata: { 'key-0': '0' } }, false],
    ['another description', { description: 'words' }, false],
    ['older than the attempt', { createdAt: '2026-11-23T11:00:00Z' }, false],
    ['a little older, by another clock', { createdAt: '2026-11-23T11:55:00Z' }, true],
    ['a time in another format', { createdAt: 'just now' }, true],
    ['no metadata told', { metadata: {} }, true],
    ['no description told', { description: null }, true],
    ['no name told', { name: null }, true],
  ])('%s', (_, changes, isAlike) => {
    const found = findLookalikes(sought, [{ ...like, ...changes }], NOTHING_KNOWN)
    expect(found).toHaveLength(isAlike ? 1 : 0)
  })

  test('is nothing that the service knows from another attempt', () => {
    expect(findLookalikes(sought, [like], new Map([[like.id, OTHER]]))).toEqual([])
  })

  test('stands on a selected server, where servers were selected', () => {
    const selected = seek({ ...UNMARKED, placement: { server_id_set: ['s-9'] } })
    expect(findLookalikes(selected, [like], NOTHING_KNOWN)).toEqual([])
    expect(findLookalikes(selected, [{ ...like, serverId: 's-9' }], NOTHING_KNOWN)).toHaveLength(1)
    expect(findLookalikes(selected, [{ ...like, serverId: null }], NOTHING_KNOWN)).toHaveLength(1)
  })
})

test('narrowing a listing loses nothing that is found in the whole', () => {
  const spec = fc.constantFrom(SPEC, { ...SPEC, metadata: tenPairs }, UNMARKED, { ...UNMARKED, name: 'db' })
  const listed = fc.array(
    fc.record({
      of: spec,
      attemptId: fc.constantFrom(ATTEMPT, OTHER),
      id: fc.constantFrom('a', 'b', 'c', 'd'),
      isNamed: fc.boolean(),
    }),
  )
  fc.assert(
    fc.property(fc.array(spec, { minLength: 1 }), listed, (specs, made) => {
      const all = made.map((one) => ({
        ...createdBy(one.of, one.attemptId),
        id: one.id,
        ...(one.isNamed ? {} : { name: null }),
      }))
      const sought = specs.map((one) => seek(one))
      const relevant = all.filter(relevanceTo(sought))
      for (const one of sought) {
        expect(findOwn(one, relevant, NOTHING_KNOWN)).toEqual(findOwn(one, all, NOTHING_KNOWN))
        if (one.place !== 'none') continue
        expect(findLookalikes(one, relevant, NOTHING_KNOWN)).toEqual(findLookalikes(one, all, NOTHING_KNOWN))
      }
    }),
  )
})

describe('an instance that an answer named', () => {
  const evidence = { http_status: 202, named: ['i-1'] }
  const sought = seek(SPEC, { evidence })

  test('counts when it is not listed, carries no id, or carries its own', () => {
    for (const listed of [[], [instance()], [createdBy(SPEC)]]) {
      expect(findNamed(sought, listed, NOTHING_KNOWN)).toEqual(['i-1'])
      expect(findNamed(sought, listed, new Map([['i-1', ATTEMPT]]))).toEqual(['i-1'])
    }
  })

  test('does not count when it is known to be, or says to be, of another attempt', () => {
    expect(findNamed(sought, [], new Map([['i-1', OTHER]]))).toEqual([])
    expect(findNamed(sought, [createdBy(SPEC, OTHER)], NOTHING_KNOWN)).toEqual([])
  })

  test('matters in a listing, whatever it looks like', () => {
    expect([instance(), instance({ id: 'i-2' })].filter(relevanceTo([sought]))).toEqual([instance()])
  })
})
