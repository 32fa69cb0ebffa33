import { BOOT_QUANTILES } from './estimate.ts'

/** Bins of boot times: from one second to more than a day, each longer than the one before by this factor. */
const BIN_GROWTH = 1.05
const FIRST_MS = 1000
export const BINS = 235
/** Fewer instances than this are no knowledge. */
const LEAST_SEEN = 10
/** So many count; older ones fade as new ones come. */
const MOST_SEEN = 500
/** A bin's instances also speak for its neighbours, by these parts. */
const KERNEL = [1, 2, 3, 2, 1]

/** How many instances took how long to run, by bins; of fractions, since old ones fade. */
export type BootCounts = readonly number[]

/** What follows from counts. Ages in milliseconds. */
export interface BootCurve {
  /** The part of instances that do not run yet at that age. */
  survival(ageMs: number): number
  /** Of those that do not run yet, the part that comes to run per millisecond. */
  hazard(ageMs: number): number
  /** The integral of the square root of that, from 0 on. */
  warp(ageMs: number): number
  /** The age at which the integral reaches so much; infinite where it never does. */
  unwarp(warp: number): number
  /** Nothing was seen beyond that age. */
  readonly endMs: number
}

/** The time at which a bin begins, in milliseconds. */
const beginOf = (bin: number): number => (bin <= 0 ? 0 : FIRST_MS * BIN_GROWTH ** bin)

function binOf(ageMs: number): number {
  const bin = Math.floor(Math.log(Math.max(FIRST_MS, ageMs) / FIRST_MS) / Math.log(BIN_GROWTH) + 1e-9)
  return Math.min(BINS - 1, Math.max(0, bin))
}

const sumOf = (counts: BootCounts): number => counts.reduce((sum, count) => sum + count, 0)

/** With further boot times, in milliseconds. */
export function addBoots(counts: BootCounts, bootsMs: readonly number[]): number[] {
  const added = Array.from({ length: BINS }, (_, bin) => counts[bin] ?? 0)
  for (const bootMs of bootsMs) {
    const bin = binOf(bootMs)
    added[bin] = (added[bin] ?? 0) + 1
  }
  const fade = Math.min(1, MOST_SEEN / Math.max(1, sumOf(added)))
  return added.map((count) => count * fade)
}

/** The times of BOOT_QUANTILES, in milliseconds; null while too few instances were seen. */
export function quantilesOf(counts: BootCounts): number[] | null {
  const total = sumOf(counts)
  if (total < LEAST_SEEN) return null
  return BOOT_QUANTILES.map((quantile) => {
    let below = 0
    for (const [bin, count] of counts.entries()) {
      if (count > 0 && below + count >= quantile * total - 1e-6) {
        const part = (quantile * total - below) / count
        return Math.round(beginOf(bin) + Math.max(0, part) * (beginOf(bin + 1) - beginOf(bin)))
      }
      below += count
    }
    return Math.round(beginOf(BINS))
  })
}

/** Null while too few instances were seen. */
export function curveOf(counts: BootCounts): BootCurve | null {
  if (sumOf(counts) < LEAST_SEEN) return null
  const smooth = smoothed(counts)
  // Half an instance more that never runs: nobody knows the end of the tail.
  const total = sumOf(smooth) + 0.5
  const survivals: number[] = []
  const hazards: number[] = []
  const warps: number[] = []
  let left = total
  let warped = 0
  for (const [bin, count] of smooth.entries()) {
    survivals.push(left / total)
    const lengthMs = beginOf(bin + 1) - beginOf(bin)
    const hazard = -Math.log(1 - count / left) / lengthMs
    hazards.push(hazard)
    warps.push(warped)
    warped += Math.sqrt(hazard) * lengthMs
    left -= count
  }
  const survival = (ageMs: number): number => {
    const bin = binOf(ageMs)
    return (survivals[bin] ?? 0) * Math.exp(-(hazards[bin] ?? 0) * Math.max(0, ageMs - beginOf(bin)))
  }
  const hazard = (ageMs: number) => hazards[binOf(ageMs)] ?? 0
  return {
    survival,
    hazard,
    warp: (ageMs) => {
      const bin = binOf(ageMs)
      return (warps[bin] ?? 0) + Math.sqrt(hazards[bin] ?? 0) * Math.max(0, ageMs - beginOf(bin))
    },
    unwarp: (wanted) => {
      if (wanted >= warped) return Number.POSITIVE_INFINITY
      const bin = warps.findLastIndex((warp) => warp <= wanted)
      const speed = Math.sqrt(hazards[bin] ?? 0)
      return speed === 0 ? beginOf(bin) : beginOf(bin) + (wanted - (warps[bin] ?? 0)) / speed
    },
    endMs: beginOf(smooth.findLastIndex((count) => count > 0) + 1),
  }
}

function smoothed(counts: BootCounts): number[] {
  const weight = KERNEL.reduce((sum, part) => sum + part, 0)
  const middle = (KERNEL.length - 1) / 2
  const smooth = Array.from({ length: BINS }, () => 0)
  for (const [bin, count] of counts.entries()) {
    for (const [place, part] of KERNEL.entries()) {
      const near = Math.min(BINS - 1, Math.max(0, bin + place - middle))
      smooth[near] = (smooth[near] ?? 0) + (count * part) / weight
    }
  }
  return smooth
}
