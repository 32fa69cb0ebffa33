import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildBatchCreateBody } from '../../src/attempt/create-body.ts'
import { attemptKey, attemptMarker, MARKER_KEY, type StoredSpec } from '../../src/attempt/marker.ts'
import { findLookalikes, findNamed, findOwn, relevanceTo, soughtOf } from '../../src/attempt/matching.ts'
import type { UpstreamInstance } from '../../src/clouddc/wire.ts'

const INSTALLATION = 'ab12cd34'
const OWN = { id: '0198170e-4ca7-7ee4-89a7-fa631843920b', attempt: 2 }
const OTHER = { id: '0198170e-4ca7-7ee4-89a7-fa6318439999', attempt: 1 }
type Attempt = typeof OWN
const keyOf = ({ id, attempt }: Attempt) => attemptKey({ provisionRequestId: id, attempt })
const markerOf = ({ id, attempt }: Attempt, installation = INSTALLATION) =>
  attemptMarker({ provisionRequestId: id, attempt, installation, requestId: 'r' })
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

function seek(spec: StoredSpec, { of = OWN, named = [] as string[] } = {}) {
  const facts = { ...of, key: keyOf(of), requestId: 'r', minCount: 1, maxCount: 3, startedAt: STARTED }
  return soughtOf({ ...facts, spec, named }, INSTALLATION)
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
function createdBy(spec: StoredSpec, of = OWN, installation = INSTALLATION): UpstreamInstance {
  const body = JSON.parse(buildBatchCreateBody(spec, 'Passw0rd!', markerOf(of, installation)))
  return instance({ name: body.name, metadata: body.metadata ?? {}, description: body.description ?? null })
}

describe('what was created by an attempt', () => {
  test.each([
    ['metadata', SPEC],
    ['metadata', { ...SPEC, metadata: { team: 'blue' }, description: 'words' }],
    ['description', { ...SPEC, metadata: tenPairs }],
    ['description', { ...SPEC, metadata: tenPairs, description: 'words' }],
    ['description', { ...SPEC, metadata: tenPairs, description: 'x'.repeat(190) }],
    ['description', { ...SPEC, metadata: { [MARKER_KEY]: 'theirs' } }],
  ])('is found by the marker in the %s', (place, spec) => {
    const sought = seek(spec)
    expect(sought.written.place).toBe(place)
    expect(findOwn(sought, [createdBy(spec)], NOTHING_KNOWN)).toHaveLength(1)
    expect(findOwn(sought, [createdBy(spec, OTHER), instance()], NOTHING_KNOWN)).toEqual([])
  })

  test('is not found without a marker', () => {
    expect(seek(UNMARKED).written.place).toBe('none')
    expect(findOwn(seek(UNMARKED), [createdBy(UNMARKED)], NOTHING_KNOWN)).toEqual([])
  })

  test('is not what another attempt is known to own', () => {
    const own = createdBy(SPEC)
    expect(findOwn(seek(SPEC), [own], new Map([[own.id, keyOf(OTHER)]]))).toEqual([])
    expect(findOwn(seek(SPEC), [own], new Map([[own.id, keyOf(OWN)]]))).toEqual([own])
  })

  test('is not what another attempt of the same request made', () => {
    expect(findOwn(seek(SPEC), [createdBy(SPEC, { ...OWN, attempt: 1 })], NOTHING_KNOWN)).toEqual([])
  })

  test('is not what another installation made, even of a copy of the database', () => {
    expect(findOwn(seek(SPEC), [createdBy(SPEC, OWN, 'zz99zz99')], NOTHING_KNOWN)).toEqual([])
  })

  test.each([
    ['in metadata', { ...SPEC, metadata: { [MARKER_KEY]: markerOf(OWN).whole } }],
    ['in the description', { ...SPEC, description: `${MARKER_KEY}:${markerOf(OWN).whole}` }],
  ])('is not what a sender has put its marker on, copied %s', (_, copied) => {
    const theirs = createdBy(copied, OTHER)
    expect(findOwn(seek(copied, { of: OTHER }), [theirs], NOTHING_KNOWN)).toEqual([theirs])
    for (const spec of [SPEC, { ...SPEC, metadata: tenPairs }])
      expect(findOwn(seek(spec), [theirs], NOTHING_KNOWN)).toEqual([])
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
    expect(findLookalikes(sought, [like], new Map([[like.id, keyOf(OTHER)]]))).toEqual([])
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
      attempt: fc.constantFrom(OWN, OTHER),
      installation: fc.constantFrom(INSTALLATION, 'zz99zz99'),
      id: fc.constantFrom('a', 'b', 'c', 'd'),
      isNamed: fc.boolean(),
    }),
  )
  fc.assert(
    fc.property(fc.array(spec, { minLength: 1 }), listed, (specs, made) => {
      const all = made.map((one) => ({
        ...createdBy(one.of, one.attempt, one.installation),
        id: one.id,
        ...(one.isNamed ? {} : { name: null }),
      }))
      const sought = specs.map((one) => seek(one))
      const relevant = all.filter(relevanceTo(sought, INSTALLATION))
      for (const one of sought) {
        expect(findOwn(one, relevant, NOTHING_KNOWN)).toEqual(findOwn(one, all, NOTHING_KNOWN))
        if (one.written.place !== 'none') continue
        expect(findLookalikes(one, relevant, NOTHING_KNOWN)).toEqual(findLookalikes(one, all, NOTHING_KNOWN))
      }
    }),
  )
})

describe('an instance that an answer named', () => {
  const sought = seek(SPEC, { named: ['i-1'] })

  test('counts when it is not listed, carries no id, or carries its own', () => {
    for (const listed of [[], [instance()], [createdBy(SPEC)]]) {
      expect(findNamed(sought, listed, NOTHING_KNOWN)).toEqual(['i-1'])
      expect(findNamed(sought, listed, new Map([['i-1', keyOf(OWN)]]))).toEqual(['i-1'])
    }
  })

  test('does not count when it is known to be, or says to be, of another attempt', () => {
    expect(findNamed(sought, [], new Map([['i-1', keyOf(OTHER)]]))).toEqual([])
    expect(findNamed(sought, [createdBy(SPEC, OTHER)], NOTHING_KNOWN)).toEqual([])
    expect(findNamed(sought, [createdBy(SPEC, OWN, 'zz99zz99')], NOTHING_KNOWN)).toEqual([])
    const unmarked = seek(UNMARKED, { named: ['i-1'] })
    expect(findNamed(unmarked, [createdBy(SPEC, OTHER, 'zz99zz99')], NOTHING_KNOWN)).toEqual([])
  })

  test('matters in a listing, whatever it looks like', () => {
    expect([instance(), instance({ id: 'i-2' })].filter(relevanceTo([sought], INSTALLATION))).toEqual([
      instance(),
    ])
  })
})
