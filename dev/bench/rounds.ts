import type { ScenarioContext, ScenarioResult } from './scenario.ts'
import { type Figures, figuresOf, round } from './statistics.ts'

/**
 * Runs contenders in turn, another one first in each round, so that what else happens on the machine meets all of
 * them. Returns what each round found, by contender; nothing for one that is null.
 */
export async function inTurn<Name extends string, Run>(options: {
  context: ScenarioContext
  rounds: number
  contenders: Readonly<Record<Name, (() => Promise<Run>) | null>>
  describe: (run: Run) => string
}): Promise<Record<Name, Run[]>> {
  const { context, rounds, contenders, describe } = options
  const names = Object.keys(contenders) as Name[]
  const runs = Object.fromEntries(names.map((name): [Name, Run[]] => [name, []])) as Record<Name, Run[]>
  for (let number = 0; number < (context.options.rounds ?? rounds); number += 1) {
    const found: string[] = []
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(number + turn) % names.length] as Name
      const run = await contenders[name]?.()
      if (run === undefined) continue
      runs[name].push(run)
      found.push(`${name} ${describe(run)}`)
    }
    context.log(`round ${number + 1}: ${found.join('; ')}`)
  }
  return runs
}

export interface Compared {
  value: Figures
  raw: Figures
  ratio: Figures
}

/** Measures the service and the raw pipeline in turn. Both are figures of which more is better. */
export async function compare(options: {
  context: ScenarioContext
  rounds: number
  unit: string
  service: () => Promise<number>
  raw: () => Promise<number>
}): Promise<Compared> {
  const { context, rounds, unit, service, raw } = options
  const runs = await inTurn({
    context,
    rounds,
    contenders: { service, raw },
    describe: (value: number) => `${round(value)} ${unit}`,
  })
  return {
    value: figuresOf(runs.service),
    raw: figuresOf(runs.raw),
    ratio: ratiosOf(runs.service, runs.raw),
  }
}

/** Round by round, one figure as a part of the other. */
export function ratiosOf(parts: readonly number[], wholes: readonly number[]): Figures {
  return figuresOf(parts.map((part, index) => part / (wholes[index] ?? Number.NaN)))
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
