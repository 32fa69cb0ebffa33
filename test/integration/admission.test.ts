import { beforeEach, describe, expect, test } from 'vitest'
import type { Rejection } from '../../src/contracts/events.ts'
import type { AdmissionRules } from '../../src/intake/admission.ts'
import { createRequestStore } from '../../src/intake/request-store.ts'
import { changeRequests } from '../../src/request/change-requests.sql.ts'
import { requestKey } from '../../src/request/request-key.ts'
import { buildDelivery, createIntakeHarness, reasonOf } from '../support/intake-harness.ts'
import { buildRequest } from '../support/request-builder.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const order = (project_id: string, request_id: string) =>
  buildDelivery(buildRequest({ project_id, request_id }))

/** The intake of one replica. */
function openIntake(admission: AdmissionRules, batchSize = 10) {
  const store = createRequestStore({ database, limitOf: () => ({ perSecond: 10, burst: 20 }) })
  const { intake, deadLetters } = createIntakeHarness({ store, admission, batchSize })
  const handle = (projectId: string, ids: readonly string[]) =>
    Promise.all(ids.map((id) => intake.handle(order(projectId, id))))
  return { handle, codes: () => deadLetters.map((letter) => reasonOf(letter).code) }
}

const numbered = (count: number, prefix = 'r') => Array.from({ length: count }, (_, n) => `${prefix}${n}`)
const countOf = (projectId: string) => database.prisma.provisionRequest.count({ where: { projectId } })

describe('projects that may not order', () => {
  test('a thousand of them, are each answered, and leave no row behind but their event', async () => {
    const { handle, codes } = openIntake({ projects: new Set(['good']), maxOpen: null }, 200)
    const strangers = numbered(1000, 'goood')
    const answers = await Promise.all([handle('good', ['a']), ...strangers.map((id) => handle(id, ['a']))])
    expect(new Set(answers.flat())).toEqual(new Set(['ack']))
    expect(codes()).toEqual(Array(1000).fill('project_not_allowed'))
    const buckets = await database.prisma.rateBucket.findMany({ select: { projectId: true } })
    expect(buckets).toEqual([{ projectId: 'good' }])
    expect(await database.prisma.provisionRequest.count()).toBe(1)
    const segments = await database.prisma.outboxSegment.findMany()
    const rejections = segments.flatMap(({ rejections: text }) => JSON.parse(text ?? '[]') as Rejection[])
    expect(rejections.map(requestKey).toSorted()).toEqual(strangers.map((id) => `${id}/a`).toSorted())
  })

  test('keep what they have ordered before: a copy is a duplicate', async () => {
    await openIntake({ projects: '*', maxOpen: null }).handle('p', ['a'])
    const { handle, codes } = openIntake({ projects: new Set(), maxOpen: null })
    await handle('p', ['a', 'b'])
    expect(codes()).toEqual(['project_not_allowed'])
    expect(await countOf('p')).toBe(1)
  })
})

describe('a project at its cap', () => {
  test('is told so, and takes orders again once some have ended', async () => {
    const { handle, codes } = openIntake({ projects: '*', maxOpen: 5 })
    await handle('p', numbered(8))
    expect([await countOf('p'), codes()]).toEqual([5, Array(3).fill('backlog_full')])
    const stored = await database.prisma.provisionRequest.findMany({ take: 2 })
    const ends = stored.map(({ id, version }) => ({
      id,
      version,
      to: 'cancelled' as const,
      change: { cause: 'cancelled' },
    }))
    await changeRequests(database, ends)
    await expect
      .poll(async () => {
        await handle('p', numbered(8))
        return countOf('p')
      })
      .toBe(7)
  })

  test('counts each replica in: one after the other they store no more than the cap', async () => {
    const replicas = numbered(3).map(() => openIntake({ projects: '*', maxOpen: 20 }))
    for (const [n, { handle }] of replicas.entries()) await handle('p', numbered(9, `r${n}-`))
    expect(await countOf('p')).toBe(20)
    expect(replicas.flatMap(({ codes }) => codes())).toHaveLength(7)
  })

  test('is exceeded by at most one batch of each other replica', async () => {
    const replicas = numbered(3).map(() => openIntake({ projects: '*', maxOpen: 20 }, 10))
    await Promise.all(replicas.map(({ handle }, n) => handle('p', numbered(40, `r${n}-`))))
    const stored = await countOf('p')
    expect(stored).toBeGreaterThanOrEqual(20)
    expect(stored).toBeLessThanOrEqual(20 + 2 * 10)
    expect(replicas.flatMap(({ codes }) => codes())).toHaveLength(120 - stored)
  })

  test('does not touch other projects', async () => {
    const { handle, codes } = openIntake({ projects: '*', maxOpen: 5 })
    await Promise.all([handle('p', numbered(8)), handle('q', numbered(5)), handle('r', ['a'])])
    expect(await Promise.all(['p', 'q', 'r'].map(countOf))).toEqual([5, 5, 1])
    expect(codes()).toHaveLength(3)
  })
})
