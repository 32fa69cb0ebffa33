/**
 * A part of the process that runs until it is stopped.
 *
 * `start` resolves once the service is under way; it does not wait for backing servers.
 * `stop` may come before `start`, during it, or twice; it resolves only when nothing is in flight any more.
 */
export interface Service {
  readonly name: string
  start(): Promise<void>
  stop(): Promise<void>
}

/** Starts services in order. If one fails, those already started are stopped in reverse and the error is thrown. */
export async function startAll(services: readonly Service[]): Promise<void> {
  const started: Service[] = []
  for (const service of services) {
    try {
      await service.start()
      started.push(service)
    } catch (error) {
      await stopAll(started).catch(() => undefined)
      throw new Error(`cannot start ${service.name}`, { cause: error })
    }
  }
}

/** Stops services in reverse order, goes on after a failure, and throws the first error at the end. */
export async function stopAll(services: readonly Service[]): Promise<void> {
  const failures: unknown[] = []
  for (const service of services.toReversed()) {
    try {
      await service.stop()
    } catch (error) {
      failures.push(new Error(`cannot stop ${service.name}`, { cause: error }))
    }
  }
  if (failures.length > 0) throw failures[0]
}
