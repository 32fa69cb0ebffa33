import { describe, expect, test } from 'vitest'
import { PublishError } from '../../src/amqp/errors.ts'
import { buildDelivery, createIntakeHarness, databaseError } from '../support/intake-harness.ts'
import { buildRequest } from '../support/request-builder.ts'

const order = (id: string) => buildDelivery(buildRequest({ request_id: id }))
const invalid = (id: string) => buildDelivery({ project_id: 'p', request_id: id })

/** A hook that fails so many times, and says how often it ran. */
function failing(times: number, error: () => Error) {
  const hook = async () => {
    hook.calls += 1
    if (hook.calls <= times) throw error()
  }
  hook.calls = 0
  return hook
}

describe('the database unreachable', () => {
  test('holds deliveries, pauses consuming once, and goes on by itself', async () => {
    const { intake, hooks, log, rows } = createIntakeHarness()
    hooks.insertRequests = failing(3, databaseError)
    hooks.insertRejections = failing(2, databaseError)
    const dispositions = [intake.handle(order('r-1')), intake.handle(invalid('r-2'))]
    await expect.poll(() => log).toContain('pause')
    expect(intake.inHand()).toBe(2)
    expect(await Promise.all(dispositions)).toEqual(['ack', 'ack'])
    expect(log.filter((line) => line === 'pause').length).toBe(log.filter((line) => line === 'resume').length)
    expect(log[0]).toBe('pause')
    expect(rows.size).toBe(1)
    expect(intake.inHand()).toBe(0)
  })

  test('a commit whose answer was lost is a duplicate at the next try', async () => {
    const { intake, hooks, rows, deadLetters } = createIntakeHarness()
    let calls = 0
    hooks.insertRequests = async (batch) => {
      calls += 1
      if (calls > 1) return
      for (const row of batch) rows.set(`${row.projectId}/${row.requestId}`, row)
      throw databaseError()
    }
    expect(await intake.handle(order('r-1'))).toBe('ack')
    expect([rows.size, deadLetters.length]).toEqual([1, 0])
  })

  test('a deadlock is tried again without a pause', async () => {
    const { intake, hooks, log } = createIntakeHarness()
    hooks.insertRequests = failing(1, () => databaseError('40P01'))
    expect(await intake.handle(order('r-1'))).toBe('ack')
    expect(log).toEqual(['insert 1', 'stored 1'])
  })

  test('the log has the beginning and the end of an outage, not a line per try', async () => {
    const { intake, hooks, lines } = createIntakeHarness()
    hooks.insertRequests = failing(3, databaseError)
    await intake.handle(order('r-1'))
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
      'intake: database: failing, will keep trying',
      'intake: database: works again',
    ])
  })
})

describe('the dead-letter queue unreachable', () => {
  test.each(['unavailable', 'returned', 'nacked', 'unknown'] as const)(
    '%s: the message waits',
    async (kind) => {
      const { intake, hooks, deadLetters, log } = createIntakeHarness()
      const publish = failing(2, () => new PublishError(kind, 'away'))
      hooks.publish = publish
      expect(await intake.handle(invalid('r-1'))).toBe('ack')
      expect(publish.calls).toBe(3)
      expect(deadLetters).toHaveLength(1)
      expect(log).toEqual(['rejections 1', 'events stored', 'dead letter'])
    },
  )

  test('valid messages go on meanwhile', async () => {
    const { intake, hooks } = createIntakeHarness()
    hooks.publish = () => Promise.reject(new PublishError('unavailable', 'away'))
    const stuck = intake.handle(invalid('r-1'))
    expect(await intake.handle(order('r-2'))).toBe('ack')
    await intake.stop()
    expect(await stuck).toBe('requeue')
  })
})

describe('stop', () => {
  test('finishes what the database takes and gives new deliveries back', async () => {
    const { intake, hooks, rows } = createIntakeHarness()
    const release: (() => void)[] = []
    hooks.insertRequests = () => new Promise((resolve) => release.push(resolve))
    const dispositions = [
      intake.handle(order('r-1')),
      intake.handle(buildDelivery(buildRequest(), { deliveryCount: 2 })),
    ]
    const stopped = intake.stop()
    expect(await intake.handle(order('r-2'))).toBe('requeue')
    await expect.poll(() => release.length).toBe(2)
    for (const resolve of release) resolve()
    await stopped
    expect(await Promise.all(dispositions)).toEqual(['ack', 'ack'])
    expect(rows.size).toBe(2)
  })

  test('gives back what cannot be stored or dead-lettered, without resuming', async () => {
    const { intake, hooks, log } = createIntakeHarness()
    hooks.insertRequests = () => Promise.reject(databaseError())
    hooks.insertRejections = () => Promise.reject(databaseError())
    hooks.publish = () => Promise.reject(new PublishError('unavailable', 'away'))
    const suspect = buildDelivery(buildRequest(), { deliveryCount: 3 })
    const dispositions = [order('r-1'), invalid('r-2'), buildDelivery('text'), suspect].map(intake.handle)
    await expect.poll(() => log).toEqual(['pause'])
    await intake.stop()
    expect(await Promise.all(dispositions)).toEqual(['requeue', 'requeue', 'requeue', 'requeue'])
    expect(log).toEqual(['pause'])
  })

  test('may come first and twice', async () => {
    const { intake } = createIntakeHarness()
    await intake.stop()
    await intake.stop()
    expect(await intake.handle(order('r-1'))).toBe('requeue')
  })
})

test('a fault of the program itself gives the message back', async () => {
  const { intake, lines } = createIntakeHarness({
    sealer: {
      seal: () => {
        throw new Error('sealer broken')
      },
      open: () => '',
    },
  })
  const verdict = intake.handle(order('r-1'))
  await expect.poll(() => lines.length).toBe(1)
  await intake.stop()
  expect(await verdict).toBe('requeue')
})
