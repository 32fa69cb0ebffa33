import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { longstr, shortstr, table, uint } from './amqp-bytes.ts'
import { methodFrame, onMethods } from './amqp-frames.ts'

/** What the broker answers: the name of the answer and its arguments. */
const ANSWERS: Readonly<Record<string, [name: string, args: Buffer]>> = {
  '10.11': ['10.30', Buffer.concat([uint(2047, 2), uint(131_072, 4), uint(0, 2)])],
  '10.40': ['10.41', shortstr('')],
  '10.50': ['10.51', Buffer.alloc(0)],
  '20.10': ['20.11', longstr('')],
  '20.40': ['20.41', Buffer.alloc(0)],
  '40.10': ['40.11', Buffer.alloc(0)],
  '50.10': ['50.11', Buffer.concat([shortstr('queue'), uint(0, 4), uint(0, 4)])],
  '50.20': ['50.21', Buffer.alloc(0)],
  '85.10': ['85.11', Buffer.alloc(0)],
}

/** A channel on which somebody has published. */
export interface PublishingChannel {
  /** performance.now() at its opening. */
  openedAt: number
  /** Messages that came on it. */
  published: number
}

/**
 * A broker on a real socket that agrees to everything, keeps nothing, and answers each publish with a confirm or, where
 * `accepts` says no, with a nack. It is for what RabbitMQ does only in the middle of the loss of a node.
 */
export async function createScriptedBroker({
  accepts,
}: {
  /** Of the so-maniest channel with publishes, counted from 1, the so-maniest message. */
  accepts: (channel: number, message: number) => boolean
}) {
  const channels: PublishingChannel[] = []
  const sockets = new Set<Socket>()
  let connections = 0

  const server = createServer((socket) => {
    connections += 1
    sockets.add(socket)
    const open = new Map<number, { channel: PublishingChannel; number: number }>()
    const openedAt = new Map<number, number>()
    socket.on('error', () => undefined)
    onMethods(
      socket,
      ({ channel: id, name }) => {
        const answer = ANSWERS[name]
        if (answer !== undefined) socket.write(methodFrame({ channel: id, name: answer[0], args: answer[1] }))
        if (name === '20.10') {
          openedAt.set(id, performance.now())
          open.delete(id)
        }
        if (name !== '60.40') return
        let publishing = open.get(id)
        if (publishing === undefined) {
          const channel = { openedAt: openedAt.get(id) ?? 0, published: 0 }
          publishing = { channel, number: channels.push(channel) }
          open.set(id, publishing)
        }
        publishing.channel.published += 1
        const tag = publishing.channel.published
        const accepted = accepts(publishing.number, tag)
        const args = Buffer.concat([uint(tag, 8), uint(0, 1)])
        socket.write(methodFrame({ channel: id, name: accepted ? '60.80' : '60.120', args }))
      },
      { skip: 'AMQP\0\0\x09\x01'.length },
    )
    const mechanisms = Buffer.concat([longstr('PLAIN'), longstr('en_US')])
    const start = Buffer.concat([uint(0, 1), uint(9, 1), table([]), mechanisms])
    socket.write(methodFrame({ channel: 0, name: '10.10', args: start }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    url: `amqp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** In the order of their first publish. */
    channels: (): readonly PublishingChannel[] => channels,
    connections: () => connections,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
