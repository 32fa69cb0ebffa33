import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ClaimedPoll } from '../../src/readiness/claim-polls.sql.ts'
import { type KnownNews, type News, rowsOf } from '../../src/readiness/news.ts'
import { requestChange } from '../../src/readiness/request-change.ts'
import { completion, type RequestState } from '../../src/request/provision-request.ts'

const LIMITS = { provisionTimeoutMs: 1000, serverWaitMs: 100 }
const ASKED_MS = 5000
const STATES = ['pending', 'running', 'failed'] as const

const request = (number: number, requestState: RequestState = 'provisioning') => ({
  projectId: 'p',
  provisionRequestId: `r-${number}`,
  requestId: `order-${number}`,
  version: 3,
  requestState,
  ...{ minCount: 1, maxCount: 50, createdCount: 50, runningCount: 0, failedCount: 0 },
})

/** Some members of a few polls, of which most are news, and of these most are still pending. */
const answers = fc
  .array(
    fc.record({
      poll: fc.nat(2),
      request: fc.nat(3),
      state: fc.constantFrom(...STATES),
      ranMs: fc.option(fc.nat(4999)),
      ran: fc.boolean(),
      isNews: fc.boolean(),
      isKnown: fc.boolean(),
    }),
    { maxLength: 40 },
  )
  .map((some) => {
    const polls = [0, 1, 2].map(
      (number): ClaimedPoll => ({
        id: `poll-${number}`,
        projectId: 'p',
        members: some.flatMap(({ poll, ranMs }, n) =>
          poll === number ? [{ id: `i-${n}`, createdMs: n, ranMs, seen: null }] : [],
        ),
        claimedMs: ASKED_MS,
        ...{ probing: false, troubles: 0, roomMs: 1, credentialId: 'c', credentialProbing: null },
      }),
    )
    const told = some.flatMap((one, n): (KnownNews & { isKnown: boolean })[] => {
      const poll = polls[one.poll]
      const member = poll?.members.find(({ id }) => id === `i-${n}`)
      if (!one.isNews || poll === undefined || member === undefined) return []
      const shown = {
        name: null,
        serverId: null,
        imageId: null,
        networkInterfaces: null,
        upstreamState: null,
      }
      const found = {
        state: one.state,
        ran: one.ran || member.ranMs !== null,
        errorCode: null,
        errorMessage: null,
      }
      const observation = { ...shown, ...found, member, seen: 'digest' }
      return [{ poll, observation, facts: { id: `i-${n}`, ...request(one.request) }, isKnown: one.isKnown }]
    })
    const known: KnownNews[] = told.filter(({ isKnown }) => isKnown)
    return { news: told as News[], known }
  })

describe('the rows of news', () => {
  it('leave each member of a poll where it is, or in its wait, or drop it once it is not pending', () => {
    fc.assert(
      fc.property(answers, ({ news, known }) => {
        const { polls } = rowsOf(news, known, LIMITS)
        expect(polls.map(({ id }) => id)).toEqual([...new Set(news.map(({ poll }) => poll.id))])
        for (const row of polls) {
          const own = news.filter(({ poll }) => poll.id === row.id)
          const left = own.filter(
            (one) => known.includes(one as KnownNews) && one.observation.state === 'pending',
          )
          const dropped = own
            .filter((one) => !left.includes(one))
            .map(({ observation }) => observation.member.id)
          const stored = [...row.members, ...row.waiting].map(({ id }) => id).toSorted()
          const before = own[0]?.poll.members.map(({ id }) => id).filter((id) => !dropped.includes(id))
          expect(stored).toEqual(before?.toSorted())
          const began = left.filter(({ observation: { ran, member } }) => ran && member.ranMs === null)
          expect(row.waiting.map(({ id }) => id)).toEqual(
            began.map(({ observation }) => observation.member.id),
          )
          expect(row.waiting.every(({ ranMs }) => ranMs === null)).toBe(true)
          const limits = row.members.map(({ createdMs, ranMs }) =>
            ranMs === null ? createdMs + 1000 : ranMs + 100,
          )
          expect(row.limitMs).toBe(limits.length === 0 ? null : Math.min(...limits))
        }
      }),
    )
  })

  it('change each request once, and name it to each poll that depends on that', () => {
    fc.assert(
      fc.property(answers, ({ news, known }) => {
        const { polls, requests, instances } = rowsOf(news, known, LIMITS)
        const ended = known.filter(({ observation }) => observation.state !== 'pending')
        expect(requests.flatMap((row) => row.ended).toSorted()).toEqual(
          ended.map(({ facts }) => facts.id).toSorted(),
        )
        expect(new Set(requests.map(({ id }) => id)).size).toBe(requests.length)
        expect(instances.map(({ id }) => id)).toEqual(known.map(({ facts }) => facts.id))
        for (const { id, requestIds } of polls) {
          const own = ended.filter(({ poll }) => poll.id === id).map(({ facts }) => facts.provisionRequestId)
          expect(requestIds.toSorted()).toEqual([...new Set(own)].toSorted())
        }
      }),
    )
  })
})

describe('the change of a request', () => {
  const ends = fc.array(fc.constantFrom('running' as const, 'failed' as const), {
    minLength: 1,
    maxLength: 10,
  })

  it('ends it exactly when all its instances have ended, as the counts call for', () => {
    fc.assert(
      fc.property(
        ends,
        fc.nat(5),
        fc.nat(5),
        fc.nat(5),
        fc.integer({ min: 1, max: 20 }),
        (states, ran, bad, open, min) => {
          const created = ran + bad + open + states.length
          const facts = {
            ...request(1),
            minCount: min,
            maxCount: 20,
            createdCount: created,
            runningCount: ran,
            failedCount: bad,
          }
          const row = requestChange(states.map((state, n) => ({ ...facts, id: `i-${n}`, state })))
          const running = ran + states.filter((state) => state === 'running').length
          const counts = { min, max: 20, created, running, failed: created - open - running }
          expect(row.to).toBe(completion(counts))
          expect(row.to === null).toBe(open > 0)
          expect(row.running + row.failed).toBe(states.length)
          expect(row.change?.counts).toEqual(row.to === null ? undefined : counts)
          expect(row.change?.error?.code).toBe(row.to === 'failed' ? 'too_few_running' : undefined)
        },
      ),
    )
  })

  it('leaves the state of one that has ended', () => {
    const row = requestChange([{ ...request(1, 'failed'), createdCount: 1, id: 'late', state: 'running' }])
    expect(row).toMatchObject({ to: null, change: null, running: 1, failed: 0 })
  })
})

it('counts the end of an instance once that two polls hold', () => {
  const member = { id: 'i-1', createdMs: 0, ranMs: null, seen: null }
  const polls = ['one', 'other'].map(
    (id): ClaimedPoll => ({
      ...{ id, projectId: 'p', members: [member], claimedMs: ASKED_MS },
      ...{ probing: false, troubles: 0, roomMs: 1, credentialId: 'c', credentialProbing: null },
    }),
  )
  const shown = { name: null, serverId: null, imageId: null, networkInterfaces: null, upstreamState: null }
  const known = polls.map(
    (poll): KnownNews => ({
      poll,
      observation: {
        ...{ member, state: 'running', ran: true, seen: 'x', errorCode: null, errorMessage: null },
        ...shown,
      },
      facts: { id: 'i-1', ...request(1) },
    }),
  )
  const rows = rowsOf(known, known, LIMITS)
  expect(rows.requests.map(({ running }) => running)).toEqual([1])
  expect(rows.instances).toHaveLength(1)
  expect(rows.polls.map(({ members }) => members)).toEqual([[], []])
})
