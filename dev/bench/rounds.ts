import type { ScenarioContext, ScenarioResult } from './scenario.ts'
import { type Figures, figuresOf, round } from './statistics.ts'

export interface Compared {
  value: Figures
  raw: Figures
  ratio: Figures
}

/**
 * Measures the service and the raw pipeline in turn, the one that begins changing from round to round, so that what
 * else happens on the machine meets both. Both are figures of which more is better.
 */
export async function compare(options: {
  context: ScenarioContext
  rounds: number
  unit: string
  service: () => Promise<number>
  raw: () => Promise<number>
}): Promise<Compared> {
  const { context, rounds, unit, service, raw } = options
  const values: number[] = []
  const raws: number[] = []
  const ratios: number[] = []
  for (let number = 1; number <= (context.options.rounds ?? rounds); number += 1) {
    const serviceFirst = number % 2 === 1
    const early = serviceFirst ? await service() : await raw()
    const late = serviceFirst ? await raw() : await service()
    const [value, rawValue] = serviceFirst ? [early, late] : [late, early]
    values.push(value)
    raws.push(rawValue)
    ratios.push(value / rawValue)
    context.log(
      `round ${number}: ${round(value)} ${unit}, raw ${round(rawValue)} ${unit}, ratio ${round(value / rawValue)}`,
    )
  }
  return { value: figuresOf(values), raw: figuresOf(raws), ratio: figuresOf(ratios) }
}

/** The result of a comparison whose ratio must reach a target. */
export function comparedResult(
  { value, raw, ratio }: Compared,
  options: { unit: string; least: number; details?: Readonly<Record<string, unknown>> },
): ScenarioResult {
  return {
    value: round(value.median),
    unit: options.unit,
    raw: round(raw.median),
    ratio: round(ratio.median),
    target: `ratio at least ${options.least}`,
    met: ratio.median >= options.least,
    spread: { value, raw, ratio },
    details: options.details ?? {},
  }
}
