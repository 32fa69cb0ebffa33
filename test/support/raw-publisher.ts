import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { longstr, propertyBytes, type RawProperties, shortstr, table, uint } from './amqp-bytes.ts'
import { BODY, frame, HEADER, type Method, methodFrame, onMethods } from './amqp-frames.ts'

const CHANNEL = 1

const CONNECTION_CLOSE = '10.50'
const CHANNEL_CLOSE = '20.40'

export interface RawMessage {
  exchange?: string
  routingKey: string
  body: Buffer
  properties?: RawProperties
}

export interface RawPublisher {
  /** Resolves when the broker has confirmed the message; rejects with its words when it closes channel or connection. */
  publish(message: RawMessage): Promise<void>
  close(): void
}

/** Speaks AMQP 0-9-1 on a socket of its own and sends whatever bytes it is given. After a refusal open another. */
export async function openRawPublisher(amqpUrl: string): Promise<RawPublisher> {
  const url = new URL(amqpUrl)
  const socket = connect(Number(url.port || 5672), url.hostname)
  await once(socket, 'connect')
  const methods = receiveMethods(socket)
  const call = (channel: number, name: string, args: Buffer) =>
    socket.write(methodFrame({ channel, name, args }))

  socket.write('AMQP\0\0\x09\x01')
  await methods.next('10.10')
  const user = [url.username || 'guest', url.password || 'guest'].map(decodeURIComponent)
  const login = longstr(`\0${user.join('\0')}`)
  call(0, '10.11', Buffer.concat([table([]), shortstr('PLAIN'), login, shortstr('en_US')]))
  const tune = await methods.next('10.30')
  // The broker's own limits, without heartbeats.
  call(0, '10.31', Buffer.concat([tune.subarray(0, 6), uint(0, 2)]))
  const virtualHost = decodeURIComponent(url.pathname.slice(1)) || '/'
  call(0, '10.40', Buffer.concat([shortstr(virtualHost), shortstr(''), uint(0, 1)]))
  await methods.next('10.41')
  call(CHANNEL, '20.10', shortstr(''))
  await methods.next('20.11')
  call(CHANNEL, '85.10', uint(0, 1))
  await methods.next('85.11')

  return {
    publish: async ({ exchange = '', routingKey, body, properties = {} }) => {
      call(
        CHANNEL,
        '60.40',
        Buffer.concat([uint(0, 2), shortstr(exchange), shortstr(routingKey), uint(0, 1)]),
      )
      const size = uint(body.length, 8)
      socket.write(
        frame(HEADER, CHANNEL, Buffer.concat([uint(60, 2), uint(0, 2), size, propertyBytes(properties)])),
      )
      for (let from = 0; from < body.length; from += 100_000)
        socket.write(frame(BODY, CHANNEL, body.subarray(from, from + 100_000)))
      await methods.next('60.80')
    },
    close: () => socket.destroy(),
  }
}

/** The broker's methods, one after the other; content of messages does not come. */
function receiveMethods(socket: Socket) {
  const arrived: Method[] = []
  let ended = false
  let notify = () => {}
  onMethods(socket, (method) => {
    arrived.push(method)
    notify()
  })
  const end = () => {
    ended = true
    notify()
  }
  socket.on('close', end)
  socket.on('error', end)

  return {
    next: async (expected: string): Promise<Buffer> => {
      for (;;) {
        const method = arrived.shift()
        if (method?.name === expected) return method.args
        if (method?.name === CONNECTION_CLOSE || method?.name === CHANNEL_CLOSE) {
          const words = method.args.subarray(3, 3 + (method.args[2] ?? 0))
          throw new Error(`refused by the broker: ${words}`)
        }
        if (method !== undefined) throw new Error(`expected ${expected}, got ${method.name}`)
        if (ended) throw new Error(`the broker closed the socket before ${expected}`)
        await new Promise<void>((resolve) => {
          notify = resolve
        })
      }
    },
  }
}
