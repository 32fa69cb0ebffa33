import { v7 as uuidv7 } from 'uuid'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  holdDuty,
  registerReplica,
  releaseDuties,
  renewReplica,
  resignReplica,
} from '../../src/replica/leases.sql.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const LONG = 60_000

describe('the lease of a replica', () => {
  test('is renewed while it holds, and never again after its end', async () => {
    const id = uuidv7()
    expect(await renewReplica(database, id, LONG)).toBe(false)
    await registerReplica(database, id, LONG)
    expect(await renewReplica(database, id, LONG)).toBe(true)
    await resignReplica(database, id)
    expect(await renewReplica(database, id, LONG)).toBe(false)
  })

  test('counts from the time on the database’s clock', async () => {
    const id = uuidv7()
    await registerReplica(database, id, LONG)
    const [row] = await database.query<{ ms: number }>(
      'SELECT extract(epoch FROM lease_until - started_at)::float8 * 1000 AS ms FROM replica WHERE id = $1::uuid',
      id,
    )
    expect(row?.ms).toBeCloseTo(LONG, -2)
  })
})

describe('a duty', () => {
  const [one, other] = [uuidv7(), uuidv7()]

  test('is held by one replica at a time, and kept by it', async () => {
    const held = await Promise.all([one, other].map((id) => holdDuty(database, 'sweep', id, LONG)))
    expect(held.toSorted()).toEqual([false, true])
    const [holder = '', loser = ''] = held[0] === true ? [one, other] : [other, one]
    expect(await holdDuty(database, 'sweep', holder, LONG)).toBe(true)
    expect(await holdDuty(database, 'sweep', loser, LONG)).toBe(false)
    expect(await holdDuty(database, 'rescue', loser, LONG)).toBe(true)
  })

  test('is free when its lease has run out', async () => {
    await holdDuty(database, 'sweep', one, LONG)
    await database.query(`UPDATE duty_lease SET lease_until = now() - interval '1 second'`)
    expect(await holdDuty(database, 'sweep', other, LONG)).toBe(true)
    expect(await holdDuty(database, 'sweep', one, LONG)).toBe(false)
  })

  test('is left to others with all that the replica had, and nothing else', async () => {
    await holdDuty(database, 'sweep', one, LONG)
    await holdDuty(database, 'rescue', one, LONG)
    await holdDuty(database, 'relay', other, LONG)
    await releaseDuties(database, one)
    expect(await database.prisma.dutyLease.findMany()).toMatchObject([{ duty: 'relay', replicaId: other }])
  })
})
