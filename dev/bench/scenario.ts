import type { BenchOptions } from './options.ts'
import type { Figures } from './statistics.ts'
import type { Bench } from './world.ts'

/** What one scenario found. */
export interface ScenarioResult {
  value: number
  unit: string
  /** The raw limit, in the same unit; null where there is nothing to compare with. */
  raw: number | null
  /** How much of the raw limit the service reaches; above 1 it is faster. */
  ratio: number | null
  /** The target in words. */
  target: string
  met: boolean
  spread?: { value: Figures; raw?: Figures; ratio?: Figures }
  /** Everything else that was measured, by name with the unit in it. */
  details: Readonly<Record<string, unknown>>
}

export interface ScenarioContext {
  bench: Bench
  options: Pick<BenchOptions, 'quick' | 'rounds' | 'baseline' | 'auth'>
  /** One line of progress. */
  log: (line: string) => void
}

export type Scenario = (context: ScenarioContext) => Promise<ScenarioResult>
