import type { AUDIT_VERBS } from '../contracts/operations.ts'

/** Who changes something, and why. */
export interface By {
  /** The caller's id, such as `key:console`. */
  who: string
  reason: string
}

/** A change, as the audit keeps it. */
export interface AuditedChange extends By {
  verb: (typeof AUDIT_VERBS)[number]
  projectId: string | null
  /** Id of what was changed, where it has one. */
  target: string | null
  before: Readonly<Record<string, unknown>> | null
  after: Readonly<Record<string, unknown>> | null
  /** When it ends by itself. */
  until: Date | null
}
