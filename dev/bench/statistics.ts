/** A series of measurements in short. */
export interface Figures {
  median: number
  min: number
  max: number
  all: readonly number[]
}

/** Throws when there is nothing to describe. */
export function figuresOf(values: readonly number[]): Figures {
  if (values.length === 0) throw new Error('no measurements')
  return {
    median: percentile(values, 0.5),
    min: Math.min(...values),
    max: Math.max(...values),
    all: values,
  }
}

/** The value below which the share `p` (0..1) of the values lies, interpolated; NaN for none. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = Float64Array.from(values).sort()
  if (sorted.length === 0) return Number.NaN
  const place = p * (sorted.length - 1)
  const low = sorted[Math.floor(place)] ?? Number.NaN
  const high = sorted[Math.ceil(place)] ?? Number.NaN
  return low + (high - low) * (place - Math.floor(place))
}

export function latencyFigures(values: readonly number[]) {
  return {
    count: values.length,
    p50_ms: round(percentile(values, 0.5)),
    p90_ms: round(percentile(values, 0.9)),
    p99_ms: round(percentile(values, 0.99)),
    max_ms: round(percentile(values, 1)),
  }
}

/** Three decimals below 10, one below 1000, none above. */
export function round(value: number): number {
  const factor = Math.abs(value) < 10 ? 1000 : Math.abs(value) < 1000 ? 10 : 1
  return Math.round(value * factor) / factor
}
