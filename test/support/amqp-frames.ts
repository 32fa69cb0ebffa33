import type { Socket } from 'node:net'
import { uint } from './amqp-bytes.ts'

const METHOD = 1
export const HEADER = 2
export const BODY = 3
const FRAME_END = Buffer.from([0xce])
/** Type, channel and size. */
const BEFORE_PAYLOAD = 7

/** Class and method as numbers, `60.40` for basic.publish, and the arguments as they stand on the wire. */
export interface Method {
  channel: number
  name: string
  args: Buffer
}

export function frame(type: number, channel: number, payload: Buffer): Buffer {
  return Buffer.concat([uint(type, 1), uint(channel, 2), uint(payload.length, 4), payload, FRAME_END])
}

export function methodFrame({ channel, name, args }: Method): Buffer {
  const [classId = 0, methodId = 0] = name.split('.').map(Number)
  return frame(METHOD, channel, Buffer.concat([uint(classId, 2), uint(methodId, 2), args]))
}

/** Calls back for each method that arrives; `skip` bytes stand before the first frame. */
export function onMethods(socket: Socket, onMethod: (method: Method) => void, { skip = 0 } = {}): void {
  let rest: Buffer = Buffer.alloc(0)
  let skipped = 0
  socket.on('data', (chunk: Buffer) => {
    const drop = Math.min(skip - skipped, chunk.length)
    skipped += drop
    rest = Buffer.concat([rest, chunk.subarray(drop)])
    while (rest.length >= BEFORE_PAYLOAD) {
      const end = BEFORE_PAYLOAD + rest.readUInt32BE(3)
      if (rest.length <= end) return
      const payload = rest.subarray(BEFORE_PAYLOAD, end)
      if (rest[0] === METHOD) {
        onMethod({
          channel: rest.readUInt16BE(1),
          name: `${payload.readUInt16BE(0)}.${payload.readUInt16BE(2)}`,
          args: payload.subarray(4),
        })
      }
      rest = rest.subarray(end + 1)
    }
  })
}
