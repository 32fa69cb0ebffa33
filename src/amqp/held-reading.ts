import type { ChannelModel } from 'amqplib'

/** How often a held connection is told that its peer is alive, which it cannot see: well below any heartbeat. */
const BEAT_MS = 1000

export interface HeldReading {
  /** Reads nothing more from the connection; what the broker sends waits in the socket, and the broker with it. */
  hold(): void
  release(): void
}

/**
 * AMQP bounds how many deliveries a consumer holds, not how large they are. This bounds the rest: a consumer that
 * holds enough bytes leaves the next ones in the network. A peer that dies meanwhile is noticed by the session's
 * other connection.
 */
export function holdReading(connection: ChannelModel): HeldReading {
  const inner = connection.connection as unknown as {
    stream: NodeJS.EventEmitter
    recvFrame(): unknown
    recvSinceLastCheck: boolean
  }
  const receive = inner.recvFrame.bind(inner)
  let beat: NodeJS.Timeout | undefined
  inner.recvFrame = () => (beat === undefined ? receive() : false)
  return {
    hold: () => {
      beat ??= setInterval(() => {
        inner.recvSinceLastCheck = true
      }, BEAT_MS).unref()
    },
    release: () => {
      if (beat === undefined) return
      clearInterval(beat)
      beat = undefined
      // What amqplib's frame loop waits for; frames that have arrived are read by it, too.
      inner.stream.emit('readable')
    },
  }
}
