import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { withDeadline } from '../../src/amqp/deadline.ts'
import { DeadlineError } from '../../src/amqp/errors.ts'
import { createFifo } from '../../src/runtime/fifo.ts'

const never = new Promise<never>(() => undefined)

describe('a deadline', () => {
  it('passes on what the promise gives', async () => {
    await expect(withDeadline(Promise.resolve(1), { what: 'call', ms: 60_000 })).resolves.toBe(1)
    await expect(withDeadline(Promise.reject(new Error('no')), { what: 'call', ms: 60_000 })).rejects.toThrow(
      'no',
    )
  })

  it('ends the wait for a promise that never settles', async () => {
    await expect(withDeadline(never, { what: 'call', ms: 1 })).rejects.toThrow(DeadlineError)
  })

  it('ends with the reason of the signal, also of one that has aborted before', async () => {
    const over = new AbortController()
    const waiting = withDeadline(never, { what: 'call', ms: 60_000, signal: over.signal })
    over.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
    await expect(withDeadline(never, { what: 'call', ms: 60_000, signal: over.signal })).rejects.toThrow(
      'gone',
    )
  })
})

describe('a fifo', () => {
  it('gives out everything in the order it came', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 5000, size: 'max' }), (pushes) => {
        const fifo = createFifo<number>()
        const model: number[] = []
        for (const [index, push] of pushes.entries()) {
          if (push) {
            fifo.push(index)
            model.push(index)
          } else {
            expect(fifo.peek()).toBe(model[0])
            expect(fifo.shift()).toBe(model.shift())
          }
          expect(fifo.size()).toBe(model.length)
        }
      }),
      { numRuns: 20 },
    )
  })
})
