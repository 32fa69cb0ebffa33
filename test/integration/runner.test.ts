import { once } from 'node:events'
import { pino } from 'pino'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { askForRun } from '../../src/operations/ask-for-run.ts'
import { type Carriers, type Carry, RunFailedError } from '../../src/operations/run.ts'
import { createRunner } from '../../src/operations/runner.ts'
import { asIfAlone } from '../../src/runtime/run-loop.ts'
import { eventually } from '../support/eventually.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { tirelessReplica } from '../support/tireless-replica.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const BY = { who: 'key:console', reason: 'to see what becomes of it' }
const letters = (code: string) => askForRun(database, 'dead_letters', { code, max: 10, perSecond: 100 }, BY)

/** A replica that always has the duty, carrying out runs of letters this way. */
async function startRunner(deadLetters: Carry<'dead_letters'>) {
  const carriers: Carriers = { dead_letters: deadLetters, events: async () => undefined }
  const logger = pino({ level: 'silent' })
  const runner = createRunner({ database, replica: tirelessReplica(), carriers, idleMs: asIfAlone, logger })
  onTestFinished(() => runner.stop())
  await runner.start()
  return runner
}

const read = (id: string) => database.prisma.operationRun.findUniqueOrThrow({ where: { id } })
const ended = (id: string) =>
  eventually(async () => {
    const run = await read(id)
    expect(run.finishedAt).not.toBeNull()
    return run
  })

test('runs are carried out one after the other, as they were asked for', async () => {
  const ids = [await letters('one'), await letters('two')]
  const begun: string[] = []
  await startRunner(async ({ params }, progress) => {
    begun.push(params.code)
    progress.done = 3
  })
  for (const id of ids) expect(await ended(id)).toMatchObject({ done: 3, error: null })
  expect(begun).toEqual(['one', 'two'])
})

test('a run that cannot be carried out fails with the reason; one that meets trouble is tried again from where it was', async () => {
  const hopeless = await letters('hopeless')
  const troubled = await letters('troubled')
  const seen: number[] = []
  await startRunner(async ({ params }, progress) => {
    if (params.code === 'hopeless') throw new RunFailedError('there is nobody')
    seen.push(progress.done)
    progress.done += 1
    if (progress.done < 3) throw new Error('not now')
  })
  expect(await ended(hopeless)).toMatchObject({ error: 'there is nobody' })
  expect(await ended(troubled)).toMatchObject({ done: 3, error: null })
  expect(seen).toEqual([0, 1, 2])
})

test('what holds a run up is told meanwhile', async () => {
  const id = await letters('troubled')
  let isBack = false
  await startRunner(async () => {
    if (!isBack) throw new Error('the broker does not answer')
  })
  await eventually(async () => expect((await read(id)).error).toBe('the broker does not answer'))
  expect((await read(id)).finishedAt).toBeNull()
  isBack = true
  expect(await ended(id)).toMatchObject({ error: null })
})

test('a runner that stops leaves its run to the next one', async () => {
  const id = await letters('long')
  const first = await startRunner(async (_run, progress, signal) => {
    progress.done = 7
    progress.cursor = 'here'
    await once(signal, 'abort')
  })
  await eventually(async () => expect((await read(id)).done).toBe(7))
  await first.stop()
  expect((await read(id)).finishedAt).toBeNull()
  await startRunner(async (_run, progress) => {
    expect(progress).toEqual({ total: null, done: 7, passedOver: 0, cursor: 'here' })
    progress.done += 1
  })
  expect(await ended(id)).toMatchObject({ done: 8, error: null })
})

test('a runner whose run another one has taken ends it, and records nothing any more', async () => {
  const id = await letters('long')
  const over = Promise.withResolvers<void>()
  await startRunner(async (_run, progress, signal) => {
    progress.done = 1
    await once(signal, 'abort')
    progress.done = 1000
    over.resolve()
  })
  await eventually(async () => expect((await read(id)).done).toBe(1))
  const held = Promise.withResolvers<void>()
  await startRunner(async (_run, progress) => {
    await over.promise
    progress.done = 2
    await held.promise
  })
  await over.promise
  held.resolve()
  expect(await ended(id)).toMatchObject({ done: 2 })
})
