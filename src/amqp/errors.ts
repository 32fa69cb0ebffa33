/**
 * What became of a message that was not confirmed:
 *
 * - `unavailable`: nothing was sent: no session, the broker blocks publishers, or the publisher is stopped;
 * - `returned`: the broker took it and no queue did (only with `mandatory`);
 * - `nacked`: the broker refused it, e.g. a queue is full. Try again after a while;
 * - `unknown`: it was sent and the confirm never came, so it may or may not be stored. Send the same again;
 * - `unencodable`: it does not fit AMQP (headers beyond 64 KiB or a frame, a name beyond 255 bytes). It will never be sent.
 */
export type PublishFailure = 'unavailable' | 'returned' | 'nacked' | 'unknown' | 'unencodable'

/**
 * Thrown when a message was not confirmed. `cause` holds the error of the channel or the session where there is one.
 */
export class PublishError extends Error {
  override readonly name = 'PublishError'
  readonly kind: PublishFailure

  constructor(kind: PublishFailure, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
  }
}

/** precondition failed; the errors of framing and syntax, 501 to 506; internal error. */
const OBJECTIONS = new Set([406, 501, 502, 503, 504, 505, 506, 541])

/** Whether the broker closed the channel or the connection over something sent on it: this message or one beside it. */
export function isObjection({ kind, cause }: PublishError): boolean {
  return kind === 'unknown' && OBJECTIONS.has(Number((cause as { code?: unknown } | undefined)?.code))
}

/** Thrown when the broker has something else under a name of the topology, or does not let the user declare it. */
export class TopologyError extends Error {
  override readonly name = 'TopologyError'
}

/** Thrown when the broker did not answer a call in time. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError'
}
