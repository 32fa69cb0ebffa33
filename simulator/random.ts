/** What a draw decides; separate streams, so that changing one knob leaves all other draws as they were. */
export const streams = {
  bootTime: 1,
  bootFailure: 2,
  deleteTime: 3,
  serverChoice: 4,
  lateBatch: 5,
  lateInstance: 6,
  latency: 7,
  fault: 8,
  faultStatus: 9,
} as const
export type Stream = (typeof streams)[keyof typeof streams]

export type Random = {
  /** A number in [0, 1) that depends only on the seed, the stream and `n`: the order of calls plays no part. */
  draw(stream: Stream, n: number): number
  /** The same, spread over [min, max). */
  between(stream: Stream, n: number, min: number, max: number): number
}

export function createRandom(settings: { seed: number }): Random {
  const draw = (stream: Stream, n: number) => mix(mix(mix(settings.seed | 0) + stream) + n) / 4_294_967_296
  return {
    draw,
    between: (stream, n, min, max) => (min === max ? min : min + draw(stream, n) * (max - min)),
  }
}

/** The 32-bit finaliser of MurmurHash3 over a golden-ratio step: every input bit reaches every output bit. */
function mix(value: number): number {
  let h = (value + 0x9e3779b9) | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
