import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createAcknowledger, type Disposition } from '../../src/amqp/acknowledger.ts'

interface Tagged {
  fields: { deliveryTag: number }
}

const tagged = (deliveryTag: number): Tagged => ({ fields: { deliveryTag } })

/** A channel by the broker's rules: settling a tag that is not outstanding is the error that closes a channel. */
function createModelChannel() {
  const outstanding = new Set<number>()
  const settled = new Map<number, Disposition>()
  let frames = 0
  const settle = (tag: number, allUpTo: boolean, disposition: Disposition) => {
    frames += 1
    if (!outstanding.has(tag)) throw new Error(`unknown delivery tag ${tag}`)
    for (const each of allUpTo ? [...outstanding].filter((other) => other <= tag) : [tag]) {
      outstanding.delete(each)
      settled.set(each, disposition)
    }
  }
  return {
    outstanding,
    settled,
    frames: () => frames,
    ack: (message: Tagged, allUpTo: boolean) => settle(message.fields.deliveryTag, allUpTo, 'ack'),
    nack: (message: Tagged, allUpTo: boolean) => settle(message.fields.deliveryTag, allUpTo, 'requeue'),
  }
}

function createSetup() {
  const channel = createModelChannel()
  const flushes: (() => void)[] = []
  const acknowledger = createAcknowledger<Tagged>({
    channel,
    onError: (error) => {
      throw error
    },
    schedule: (flush) => flushes.push(flush),
  })
  const deliver = (tag: number) => {
    channel.outstanding.add(tag)
    acknowledger.delivered(tagged(tag))
  }
  const turn = () => {
    for (const flush of flushes.splice(0)) flush()
  }
  return { channel, acknowledger, deliver, turn }
}

describe('the acknowledger', () => {
  it('settles what one turn finished below the lowest open delivery with one frame', () => {
    const { channel, acknowledger, deliver, turn } = createSetup()
    for (let tag = 1; tag <= 100; tag += 1) deliver(tag)
    for (let tag = 1; tag <= 60; tag += 1) acknowledger.settle(tagged(tag), 'ack')
    turn()
    expect(channel.frames()).toBe(1)
    expect([...channel.settled.keys()]).toEqual(Array.from({ length: 60 }, (_, index) => index + 1))
  })

  it('leaves an open delivery alone when later ones are done', () => {
    const { channel, acknowledger, deliver, turn } = createSetup()
    for (const tag of [1, 2, 3]) deliver(tag)
    acknowledger.settle(tagged(3), 'ack')
    acknowledger.settle(tagged(2), 'ack')
    turn()
    expect([...channel.outstanding]).toEqual([1])
  })

  it('takes the first of two dispositions on a delivery', () => {
    const { channel, acknowledger, deliver, turn } = createSetup()
    deliver(1)
    expect(acknowledger.settle(tagged(1), 'requeue')).toBe(true)
    expect(acknowledger.settle(tagged(1), 'ack')).toBe(false)
    turn()
    expect(acknowledger.settle(tagged(1), 'ack')).toBe(false)
    turn()
    expect([...channel.settled]).toEqual([[1, 'requeue']])
  })

  it('sends nothing once the channel is gone', () => {
    const { channel, acknowledger, deliver, turn } = createSetup()
    deliver(1)
    deliver(2)
    acknowledger.settle(tagged(1), 'ack')
    acknowledger.discard()
    expect(acknowledger.settle(tagged(2), 'ack')).toBe(false)
    turn()
    expect(channel.frames()).toBe(0)
  })

  it('gives every delivery exactly its own disposition, in whatever order handlers finish', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant({ kind: 'deliver' as const }) },
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant('settle' as const),
          pick: fc.nat(),
          disposition: fc.constantFrom<Disposition>('ack', 'ack', 'ack', 'requeue'),
        }),
      },
      { weight: 1, arbitrary: fc.constant({ kind: 'turn' as const }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { channel, acknowledger, deliver, turn } = createSetup()
        const given = new Map<number, Disposition>()
        let lastTag = 0
        for (const each of steps) {
          if (each.kind === 'deliver') {
            lastTag += 1
            deliver(lastTag)
          } else if (each.kind === 'turn') {
            turn()
          } else if (lastTag > 0) {
            // Now and then one that has been settled before.
            const tag = (each.pick % lastTag) + 1
            const first = !given.has(tag)
            expect(acknowledger.settle(tagged(tag), each.disposition)).toBe(first)
            if (first) given.set(tag, each.disposition)
          }
        }
        turn()
        expect(new Map([...channel.settled].sort(([a], [b]) => a - b))).toEqual(
          new Map([...given].sort(([a], [b]) => a - b)),
        )
      }),
    )
  })
})
