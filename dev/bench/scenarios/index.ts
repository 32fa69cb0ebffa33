import type { Scenario } from '../scenario.ts'
import type { ScenarioName } from '../scenario-names.ts'
import { endToEnd } from './end-to-end.ts'
import { intake } from './intake.ts'
import { latency } from './latency.ts'
import { outbox } from './outbox.ts'
import { start } from './start.ts'

export const SCENARIOS: Readonly<Partial<Record<ScenarioName, Scenario>>> = {
  intake,
  end_to_end: endToEnd,
  latency,
  outbox,
  start,
}
