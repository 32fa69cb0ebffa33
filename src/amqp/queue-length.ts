import type { Broker } from './connection.ts'
import type { Session } from './session.ts'

/** Asks the broker how many messages wait in a queue, those in the hands of consumers not counted. */
export interface QueueLength {
  /** Null without a session, or when the broker does not say. */
  ask(): Promise<number | null>
}

export function createQueueLength({
  broker,
  queue,
}: {
  broker: Pick<Broker, 'join'>
  queue: string
}): QueueLength {
  let session: Session | undefined
  broker.join({
    attach: async (opened) => {
      session = opened
      opened.signal.addEventListener('abort', () => {
        if (session === opened) session = undefined
      })
    },
  })
  return {
    ask: async () => {
      try {
        const found = await session?.declareOn(`check queue ${queue}`, (channel) => channel.checkQueue(queue))
        return found?.messageCount ?? null
      } catch {
        return null
      }
    },
  }
}
