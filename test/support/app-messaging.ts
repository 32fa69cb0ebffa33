import { type ConsumeMessage, connect, type Options } from 'amqplib'
import { DEAD_LETTER_QUEUE, REQUEST_QUEUE } from '../../src/amqp/topology.ts'
import { createJweBox, type JweBox } from '../../src/secrets/jwe-box.ts'
import { parseSecretKeys } from '../../src/secrets/seal.ts'
import { type Content, isSealedLetter, unsealLetter } from '../../src/secrets/unseal-letter.ts'
import { toBody } from './request-builder.ts'

/** Where and how a message is published; by default as JSON, straight to the request queue. */
export type Properties = { [Key in keyof Options.Publish]: Options.Publish[Key] | undefined } & {
  exchange?: string
  routingKey?: string
}

export interface DeadLetterRecord {
  body: Buffer
  /** What it holds, opened where it is sealed whole. */
  content: Content
  properties: ConsumeMessage['properties']
  /** `x-rejection-code`. */
  code: unknown
  /** The paths in `x-rejection-detail`. */
  paths: string[]
}

const QUORUM = { durable: true, arguments: { 'x-queue-type': 'quorum' } }

/**
 * A careful producer, and a consumer of dead letters, on a connection of their own.
 *
 * @param secretKeys SECRET_KEYS of the service: its letters are opened with them
 */
export async function openMessaging(url: string, secretKeys?: string) {
  const box = secretKeys === undefined ? undefined : createJweBox(parseSecretKeys(secretKeys))
  const connection = await connect(url)
  const producer = await connection.createConfirmChannel()
  const consumer = await connection.createChannel()
  const letters: DeadLetterRecord[] = []

  /** Resolves once the broker has it. A body that is no buffer is sent as JSON. */
  const publish = (
    body: unknown,
    { exchange = '', routingKey = REQUEST_QUEUE, ...options }: Properties = {},
  ) =>
    new Promise<void>((resolve, reject) => {
      producer.publish(
        exchange,
        routingKey,
        Buffer.isBuffer(body) ? body : toBody(body),
        { persistent: true, contentType: 'application/json', ...options } as Options.Publish,
        (error) => (error ? reject(error) : resolve()),
      )
    })

  return {
    publish,
    publishAll: (bodies: readonly unknown[]) => Promise.all(bodies.map((body) => publish(body))),
    deadLetters: (): readonly DeadLetterRecord[] => letters,
    collectDeadLetters: async () => {
      await consumer.assertQueue(DEAD_LETTER_QUEUE, QUORUM)
      await consumer.consume(DEAD_LETTER_QUEUE, (message) => {
        if (message === null) return
        readLetter(box, message).then(
          (letter) => {
            letters.push(letter)
            consumer.ack(message)
          },
          () => consumer.nack(message),
        )
      })
    },
    close: () => connection.close(),
  }
}

async function readLetter(
  box: JweBox | undefined,
  { content, properties }: ConsumeMessage,
): Promise<DeadLetterRecord> {
  const headers: Record<string, unknown> = properties.headers ?? {}
  const detail = JSON.parse(String(headers['x-rejection-detail'] ?? '[]')) as { path: string }[]
  const came = { body: content, contentType: properties.contentType }
  const unsealed = box && isSealedLetter(came) ? await unsealLetter(box, came) : undefined
  return {
    body: content,
    content: unsealed?.ok ? unsealed.content : came,
    properties,
    code: headers['x-rejection-code'],
    paths: detail.map(({ path }) => path),
  }
}
