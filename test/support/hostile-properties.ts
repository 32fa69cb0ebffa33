import fc from 'fast-check'
import {
  array,
  type Field,
  field,
  longstr,
  nested,
  type RawProperties,
  shortstr,
  table,
  text,
  uint,
} from './amqp-bytes.ts'

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((each) => Buffer.from(each))
const word = (maxLength: number) =>
  fc.oneof(
    fc.string({ unit: 'binary', maxLength: maxLength >> 2 }).map((each) => Buffer.from(each)),
    bytes(maxLength),
    fc.constant(Buffer.alloc(maxLength, 0xff)),
  )
const key = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('a', 'b', '', '__proto__', '!', 'CC', 'x-death', 'toString') },
  word(255),
)
const unsigned = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })

const leaf: fc.Arbitrary<Field> = fc.oneof(
  word(300).map(text),
  bytes(300).map((each) => field('x', longstr(each))),
  fc.constantFrom(field('V'), field('t', uint(1, 1)), nested(10_000)),
  fc.double().map((each) => field('d', doubleBytes(each))),
  fc
    .tuple(fc.constantFrom(['b', 1], ['B', 1], ['s', 2], ['u', 2], ['I', 4], ['i', 4], ['f', 4]), unsigned)
    .map(([[tag, size], value]) => field(String(tag), uint(value, size as 1 | 2 | 4))),
  unsigned.map((each) => field('l', uint(each, 8))),
  unsigned.map((each) => field('T', uint(each, 8))),
  unsigned.map((each) => field('D', uint(each, 1), uint(each, 4))),
)

const { value } = fc.letrec<{ value: Field }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 5 },
    leaf,
    fc.array(tie('value'), { maxLength: 4 }).map(array),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 4 }).map((pairs) => field('F', table(pairs))),
  ),
}))

export const anyHeaders: fc.Arbitrary<Buffer> = fc.array(fc.tuple(key, value), { maxLength: 8 }).map(table)

const short = word(255).map(shortstr)

/** Whatever a producer can say of a message, as bytes; each value is well formed, if nothing else. */
export const anyProperties: fc.Arbitrary<RawProperties> = fc.record(
  {
    contentType: short,
    contentEncoding: short,
    headers: anyHeaders,
    deliveryMode: fc.constantFrom(uint(1, 1), uint(2, 1)),
    priority: fc.nat(255).map((each) => uint(each, 1)),
    correlationId: short,
    replyTo: short,
    expiration: fc.constantFrom(shortstr('0'), shortstr('99999')),
    messageId: short,
    timestamp: unsigned.map((each) => uint(each, 8)),
    type: short,
    userId: short,
    appId: short,
    clusterId: short,
  },
  { requiredKeys: [] },
)

function doubleBytes(each: number): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeDoubleBE(each)
  return buffer
}
