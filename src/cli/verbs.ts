import type { Verb } from './verb.ts'
import { audit } from './verbs/audit.ts'
import { cancel } from './verbs/cancel.ts'
import { doctor } from './verbs/doctor.ts'
import { history } from './verbs/history.ts'
import { list } from './verbs/list.ts'
import { resolve } from './verbs/resolve.ts'
import { status } from './verbs/status.ts'
import { watch } from './verbs/watch.ts'

/** Every verb, in the order of the help and of the README. */
export const VERBS: readonly Verb[] = [status, watch, list, history, cancel, resolve, audit, doctor]
