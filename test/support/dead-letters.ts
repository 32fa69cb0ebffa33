import { connect } from 'amqplib'
import { DEAD_LETTER_QUEUE } from '../../src/amqp/topology.ts'
import { toBody } from './request-builder.ts'

export interface PlacedLetter {
  body: unknown
  code: string
  rejectedAt?: Date
  headers?: Readonly<Record<string, unknown>>
  messageId?: string
}

/** Puts letters into the dead-letter queue, as intake would have. */
export async function placeLetters(url: string, letters: readonly PlacedLetter[]): Promise<void> {
  const connection = await connect(url)
  try {
    const channel = await connection.createConfirmChannel()
    for (const { body, code, rejectedAt = new Date(0), headers, messageId } of letters) {
      const added = {
        'x-rejection-code': code,
        'x-rejection-detail': '[]',
        'x-rejected-at': rejectedAt.toISOString(),
      }
      channel.sendToQueue(DEAD_LETTER_QUEUE, Buffer.isBuffer(body) ? body : toBody(body), {
        persistent: true,
        contentType: 'application/json',
        headers: { ...headers, ...added },
        ...(messageId === undefined ? {} : { messageId }),
      })
    }
    await channel.waitForConfirms()
  } finally {
    await connection.close()
  }
}

/** Takes all letters that wait, in order. */
export async function takeLetters(url: string) {
  const connection = await connect(url)
  try {
    const channel = await connection.createChannel()
    const letters = []
    for (;;) {
      const letter = await channel.get(DEAD_LETTER_QUEUE, { noAck: true })
      if (letter === false) return letters
      letters.push(letter)
    }
  } finally {
    await connection.close()
  }
}
