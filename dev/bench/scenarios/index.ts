import type { Scenario } from '../scenario.ts'
import type { ScenarioName } from '../scenario-names.ts'
import { backlog } from './backlog.ts'
import { endToEnd } from './end-to-end.ts'
import { flood } from './flood.ts'
import { forecast } from './forecast.ts'
import { heldSnapshot } from './held-snapshot.ts'
import { history } from './history.ts'
import { hostile } from './hostile.ts'
import { idle } from './idle.ts'
import { intake } from './intake.ts'
import { latency } from './latency.ts'
import { limiter } from './limiter.ts'
import { outbox } from './outbox.ts'
import { overview } from './overview.ts'
import { polling } from './polling.ts'
import { start } from './start.ts'
import { status } from './status.ts'

export const SCENARIOS: Readonly<Record<ScenarioName, Scenario>> = {
  intake,
  end_to_end: endToEnd,
  latency,
  limiter,
  history,
  held_snapshot: heldSnapshot,
  backlog,
  flood,
  polling,
  forecast,
  outbox,
  start,
  idle,
  status,
  overview,
  hostile,
}
