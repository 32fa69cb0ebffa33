/** What an instance's own word means for us. Only `running`, `failed` and `gone` are ends of waiting. */
export type InstanceState = 'pending' | 'running' | 'failed' | 'gone' | 'busy'

/**
 * CloudDC's words in lower case, of all published versions, `teminated` included. What is not here, such as
 * stopping, stopped, reinstalling, shutting-down or a future word, is not final: busy.
 */
const STATES: Readonly<Record<string, InstanceState>> = {
  pending: 'pending',
  running: 'running',
  error: 'failed',
  failed: 'failed',
  terminated: 'gone',
  teminated: 'gone',
}

/**
 * The state by CloudDC's `state` and `operation_state`. A failed first installation is a failed creation, unless the
 * state itself is already another end.
 */
export function instanceStateOf(state: string, operationState: string | null): InstanceState {
  const word = state.trim().toLowerCase()
  const known = Object.hasOwn(STATES, word) ? STATES[word] : undefined
  if (known === 'running' || known === 'gone') return known
  if (operationState?.trim().toLowerCase() === 'install-failed') return 'failed'
  return known ?? 'busy'
}
