import { expect, test } from 'vitest'
import { type Service, startAll, stopAll } from '../../src/runtime/service.ts'

/** Services that note what happens to them; those named fail. */
function createServices({ failsToStart = '', failsToStop = '' } = {}) {
  const log: string[] = []
  const services = ['a', 'b', 'c'].map(
    (name): Service => ({
      name,
      start: async () => {
        if (name === failsToStart) throw new Error(`no ${name}`)
        log.push(`start ${name}`)
      },
      stop: async () => {
        log.push(`stop ${name}`)
        if (name === failsToStop) throw new Error(`no end of ${name}`)
      },
    }),
  )
  return { services, log }
}

test('services start in order and stop in reverse', async () => {
  const { services, log } = createServices()
  await startAll(services)
  await stopAll(services)
  expect(log).toEqual(['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a'])
})

test('a start that fails undoes the starts before it, and tells which one it was', async () => {
  const { services, log } = createServices({ failsToStart: 'c', failsToStop: 'b' })
  const failure: unknown = await startAll(services).catch((error: unknown) => error)
  expect(failure).toMatchObject({ message: 'cannot start c', cause: { message: 'no c' } })
  expect(log).toEqual(['start a', 'start b', 'stop b', 'stop a'])
})

test('a stop that fails does not keep the others from stopping', async () => {
  const { services, log } = createServices({ failsToStop: 'c' })
  await startAll(services)
  await expect(stopAll(services)).rejects.toThrow('cannot stop c')
  expect(log.slice(3)).toEqual(['stop c', 'stop b', 'stop a'])
})
