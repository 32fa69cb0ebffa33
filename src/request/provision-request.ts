/** The states of a provision request, drawn in docs/state-machine.md. */
export const REQUEST_STATES = [
  'queued',
  'dispatching',
  'uncertain',
  'provisioning',
  'running',
  'partially_running',
  'failed',
  'expired',
  'cancelled',
] as const

export type RequestState = (typeof REQUEST_STATES)[number]

/** Every legal change of state. The terminal states have no next. */
export const NEXT_STATES: Readonly<Record<RequestState, readonly RequestState[]>> = {
  queued: ['dispatching', 'expired', 'cancelled', 'failed'],
  dispatching: ['provisioning', 'queued', 'uncertain', 'failed'],
  uncertain: ['provisioning', 'queued', 'failed'],
  provisioning: ['running', 'partially_running', 'failed'],
  running: [],
  partially_running: [],
  failed: [],
  expired: [],
  cancelled: [],
}

export function isTerminal(state: RequestState): boolean {
  return NEXT_STATES[state].length === 0
}

/** The condition of the CHECK that holds each change of state of a row against {@link NEXT_STATES}. */
export function legalMoves(): string {
  const moves = REQUEST_STATES.filter((from) => !isTerminal(from)).map(
    (from) =>
      `(previous_state = '${from}' AND state IN (${NEXT_STATES[from].map((to) => `'${to}'`).join(', ')}))`,
  )
  return ["(previous_state IS NULL AND state = 'queued')", ...moves].join(' OR ')
}

/** Numbers of instances: asked for (min, max), created by CloudDC, and ended either way. */
export interface Counts {
  min: number
  max: number
  created: number
  running: number
  failed: number
}

/**
 * The terminal state that the counts call for, or null while instances are pending: `running` when every created
 * instance runs, `partially_running` when at least the minimum does, and `failed` when fewer than the minimum run, also
 * where no more were created.
 */
export function completion(counts: Counts): 'running' | 'partially_running' | 'failed' | null {
  if (counts.running + counts.failed < counts.created) return null
  if (counts.running < counts.min) return 'failed'
  return counts.failed === 0 ? 'running' : 'partially_running'
}

/** One step of priority is worth ten minutes of age. */
export const PRIORITY_STEP_MINUTES = 10
