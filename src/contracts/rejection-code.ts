/** Why a message went to the dead letters. */
export const REJECTION_CODES = [
  'invalid_json',
  'invalid_request',
  'idempotency_conflict',
  'message_too_large',
  'unsupported_content_type',
  'delivery_limit',
  'project_not_allowed',
  'backlog_full',
] as const

export type RejectionCode = (typeof REJECTION_CODES)[number]
