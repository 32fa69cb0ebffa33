import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  digestOf,
  formatMember,
  limitOf,
  type PollMember,
  parseMembers,
} from '../../src/readiness/poll-member.ts'

const timeMs = fc.integer({ min: 0, max: 8_640_000_000_000_000 })
const members: fc.Arbitrary<PollMember> = fc.record({
  id: fc.stringMatching(/^[\x21-\x7e]{1,128}$/),
  createdMs: timeMs,
  ranMs: fc.option(timeMs),
  seen: fc.option(fc.stringMatching(/^[\w-]{8}$/)),
})

const words = fc.option(fc.string({ maxLength: 5 }))
const shown = fc.record({
  name: words,
  serverId: words,
  imageId: words,
  networkInterfaces: fc.option(
    fc.array(fc.record({ subnet_id: words, ipv4_address: words }), { maxLength: 3 }),
  ),
  upstreamState: words,
})

describe('a member of a poll', () => {
  it('is read as it was written, whatever its id looks like', () => {
    fc.assert(
      fc.property(fc.array(members), (some) => {
        expect(parseMembers(`[${some.map(formatMember).join()}]`)).toEqual(some)
      }),
    )
  })

  it('has one time limit at a time: that of its provisioning until it runs, then that of its listing', () => {
    const limits = { provisionTimeoutMs: 1000, serverWaitMs: 10 }
    const member = { id: 'i', createdMs: 5, ranMs: null, seen: null }
    expect(limitOf(member, limits)).toBe(1005)
    expect(limitOf({ ...member, ranMs: 7 }, limits)).toBe(17)
  })
})

describe('the digest of what is shown', () => {
  it('differs where anything differs, and else is the same', () => {
    fc.assert(
      fc.property(shown, shown, (one, other) => {
        expect(digestOf({ ...one })).toBe(digestOf(one))
        expect(digestOf(one) === digestOf(other)).toBe(JSON.stringify(one) === JSON.stringify(other))
      }),
    )
  })

  it('is short', () => {
    fc.assert(
      fc.property(shown, (one) => {
        expect(digestOf(one)).toMatch(/^[\w-]{8}$/)
      }),
    )
  })
})
