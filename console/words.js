// @ts-check

/** Plain words for the fixed ones of the API. A word that is not known is shown as it is. */

/** @type {Readonly<Record<string, string>>} */
const WAITING = {
  rate_limit: 'a call within the limit',
  retry: 'its retry time',
  throttled: 'CloudDC, which throttles',
  upstream_unavailable: 'CloudDC, which does not answer',
  unauthorized: 'a credential that CloudDC takes',
  forbidden: 'a permission in CloudDC',
  misconfigured: 'the right address of CloudDC',
  capacity: 'ready servers',
  paused: 'the end of a pause',
  reconciling: 'the outcome of a call',
}

/** @type {Readonly<Record<string, string>>} */
const CLOSED = {
  throttled: 'CloudDC throttles',
  upstream_unavailable: 'CloudDC does not answer',
  unauthorized: 'CloudDC refuses the credential',
  forbidden: 'CloudDC refuses the permission',
  misconfigured: 'what answers is not CloudDC',
}

/** @type {Readonly<Record<string, string>>} */
const STATES = { partially_running: 'partially running' }

/** @type {Readonly<Record<string, string>>} */
const VERBS = {
  resolve: 'resolved',
  'dead_letters.replay': 'replayed dead letters',
  'events.replay': 'replayed events',
  'run.stop': 'stopped a replay',
  'limit.set': 'set the limit',
  'limit.remove': 'removed the limit',
  pause: 'paused',
  resume: 'resumed',
}

/** @type {Readonly<Record<string, string>>} */
const LETTERS = {
  invalid_json: 'no valid JSON',
  invalid_request: 'not a valid order',
  idempotency_conflict: 'another order under the same key',
  message_too_large: 'larger than 64 KiB',
  unsupported_content_type: 'of another content type',
  delivery_limit: 'delivered too often',
  project_not_allowed: 'a project that may not order',
  backlog_full: 'too many open requests',
}

/** @type {Readonly<Record<string, string>>} */
const VERDICTS = {
  look_again: 'looked for again',
  adopt: 'found',
  void: 'not created',
  manual: 'a person has to decide',
}

/** @type {(words: Readonly<Record<string, string>>) => (name: string) => string} */
const from = (words) => (name) => words[name] ?? name.replaceAll(/[_.]/g, ' ')

export const waitsFor = from(WAITING)
export const closedBy = from(CLOSED)
export const stateName = from(STATES)
export const didWhat = from(VERBS)
export const letterCode = from(LETTERS)

/** What the last look came to: a verdict, or the error that it met. @param {string} name */
export const verdictName = (name) => VERDICTS[name] ?? `the last look failed (${name})`
