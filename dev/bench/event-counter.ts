import { setTimeout as sleep } from 'node:timers/promises'
import type { ConsumeMessage } from 'amqplib'
import { monotonicMs } from './clock.ts'
import { EVENT_QUEUE, type World } from './world.ts'

/** Consumes every event and counts them by type. */
export interface EventCounter {
  count(type: string): number
  total(): number
  /** When the first event of all came. */
  firstAt(): number
  /** When the last event of a type came, on the monotonic clock. */
  lastAt(type: string): number
  /**
   * Resolves when `reached` says so, looked at every few milliseconds; rejects when `check` throws, or when no event
   * comes for `silenceMs`.
   */
  until(reached: () => boolean, options: { check: () => void; silenceMs?: number }): Promise<void>
  close(): Promise<void>
}

export async function countEvents(
  world: World,
  onEvent: (message: ConsumeMessage, at: number) => void = () => undefined,
): Promise<EventCounter> {
  const channel = await world.broker.createChannel()
  const counts = new Map<string, number>()
  const lastTimes = new Map<string, number>()
  let total = 0
  let firstAt = Number.NaN
  let latest = monotonicMs()
  await channel.consume(
    EVENT_QUEUE,
    (message) => {
      if (message === null) return
      const at = monotonicMs()
      const type = String(message.properties.type)
      if (total === 0) firstAt = at
      total += 1
      latest = at
      counts.set(type, (counts.get(type) ?? 0) + 1)
      lastTimes.set(type, at)
      onEvent(message, at)
    },
    { noAck: true },
  )
  return {
    count: (type) => counts.get(type) ?? 0,
    total: () => total,
    firstAt: () => firstAt,
    lastAt: (type) => lastTimes.get(type) ?? Number.NaN,
    until: async (reached, { check, silenceMs = 60_000 }) => {
      latest = monotonicMs()
      while (!reached()) {
        check()
        if (monotonicMs() - latest > silenceMs) {
          const seen = [...counts].map(([type, count]) => `${type}: ${count}`).join(', ')
          throw new Error(`no event for ${silenceMs / 1000} s; so far ${seen === '' ? 'none' : seen}`)
        }
        await sleep(5)
      }
    },
    close: () => channel.close(),
  }
}
