import { expect, test } from 'vitest'
import type { Database } from '../../src/database/database.ts'
import { createRemovals } from '../../src/outbox/removals.ts'
import { silentLogger } from '../support/clouddc-client.ts'

test.each([1, 2, 3, 4, 5])(
  'a segment published %d microtasks after a removal is removed as well',
  async (target) => {
    const removed: number[] = []
    const removals = createRemovals({
      database: {
        query: async (_text: string, positions: number[]) => {
          removed.push(...positions)
          return []
        },
      } as Partial<Database> as Database,
      logger: silentLogger,
      onRemoved: ([position]) => {
        if (position !== 1) return
        let microtasks = 0
        const confirmLater = () => {
          microtasks += 1
          if (microtasks === target) removals.add(2)
          if (microtasks < 5) queueMicrotask(confirmLater)
        }
        queueMicrotask(confirmLater)
      },
      signal: new AbortController().signal,
    })
    removals.add(1)
    await expect.poll(() => removed).toEqual([1, 2])
    await removals.drained()
  },
)
