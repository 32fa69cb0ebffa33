/** The part of an AMQP channel that settles deliveries. */
export interface SettlingChannel<M> {
  ack(message: M, allUpTo: boolean): void
  nack(message: M, allUpTo: boolean, requeue: boolean): void
}

interface Tagged {
  fields: { deliveryTag: number }
}

/** What a handler says about a delivery: it is done with, or the broker is to deliver it again. */
export type Disposition = 'ack' | 'requeue'

/**
 * Settles the deliveries of one channel, each at most once, and gathers what was settled in one turn of the event
 * loop: everything below the lowest open delivery goes out as a single multiple-ack, the rest one by one. A second
 * settling, or one after `discard`, does nothing: delivery tags mean nothing on another channel, and one ack too
 * many closes the channel.
 */
export function createAcknowledger<M extends Tagged>({
  channel,
  onError,
  schedule = setImmediate,
}: {
  channel: SettlingChannel<M>
  /** The channel refused to send; it is closing. */
  onError: (error: unknown) => void
  schedule?: (flush: () => void) => void
}) {
  // In order of delivery, which is the order of tags: the first one is the lowest.
  const open = new Set<number>()
  let acked: M[] = []
  let refused: M[] = []
  let scheduled = false

  const send = () => {
    // Before the acks: a multiple-ack covers whatever was not refused yet.
    for (const message of refused) channel.nack(message, false, true)
    const [lowestOpen = Number.POSITIVE_INFINITY] = open
    let last: M | undefined
    let covered = 0
    for (const message of acked) {
      if (message.fields.deliveryTag > lowestOpen) {
        channel.ack(message, false)
      } else {
        covered += 1
        if (last === undefined || message.fields.deliveryTag > last.fields.deliveryTag) last = message
      }
    }
    if (last !== undefined) channel.ack(last, covered > 1)
  }

  const flush = () => {
    scheduled = false
    if (acked.length === 0 && refused.length === 0) return
    try {
      send()
    } catch (error) {
      onError(error)
    }
    acked = []
    refused = []
  }

  return {
    delivered(message: M): void {
      open.add(message.fields.deliveryTag)
    },
    /** Whether the disposition will be sent. */
    settle(message: M, disposition: Disposition): boolean {
      if (!open.delete(message.fields.deliveryTag)) return false
      if (disposition === 'ack') acked.push(message)
      else refused.push(message)
      if (!scheduled) {
        scheduled = true
        schedule(flush)
      }
      return true
    },
    flush,
    /** The channel is gone; the broker delivers again what was not settled. */
    discard(): void {
      open.clear()
      acked = []
      refused = []
    },
  }
}

export type Acknowledger<M extends Tagged> = ReturnType<typeof createAcknowledger<M>>
