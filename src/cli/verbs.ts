import type { Verb } from './verb.ts'
import { audit } from './verbs/audit.ts'
import { cancel } from './verbs/cancel.ts'
import { deadLettersList, deadLettersReplay } from './verbs/dead-letters.ts'
import { doctor } from './verbs/doctor.ts'
import { eventsReplay } from './verbs/events-replay.ts'
import { eventsTail } from './verbs/events-tail.ts'
import { history } from './verbs/history.ts'
import { limit } from './verbs/limit.ts'
import { list } from './verbs/list.ts'
import { overview } from './verbs/overview.ts'
import { pause, resume } from './verbs/pause.ts'
import { publish } from './verbs/publish.ts'
import { resolve } from './verbs/resolve.ts'
import { run } from './verbs/run.ts'
import { status } from './verbs/status.ts'
import { watch } from './verbs/watch.ts'

/** Every verb, in the order of the help and of the README: ordering first, then operating. */
export const VERBS: readonly Verb[] = [
  publish,
  status,
  watch,
  list,
  history,
  cancel,
  eventsTail,
  overview,
  limit,
  pause,
  resume,
  resolve,
  deadLettersList,
  deadLettersReplay,
  eventsReplay,
  run,
  audit,
  doctor,
]
