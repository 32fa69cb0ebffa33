import { createDiscretion, type Secrets } from './discretion.ts'
import { type Fault, type Findings, publishableFaults } from './fault.ts'
import type { RejectionCode } from './rejection-code.ts'
import type { FoundIds } from './request-ids.ts'
import { CONTRACT_NAMES } from './request-schema.ts'
import { publishableTracing, type Tracing, type TracingInput } from './tracing.ts'

/** Why a message is not accepted; all of it may be shown to others. */
export interface MessageRejection {
  ok: false
  code: RejectionCode
  /** Every fault, free of values and passwords, and short enough for a header. */
  detail: Fault[]
  /** Where the message has them in good form and beyond doubt, and they hold no secret. */
  projectId?: string
  requestId?: string
  tracing: Tracing
}

export function createRejection(
  code: RejectionCode,
  found: {
    findings: Pick<Findings, 'told' | 'total'>
    ids: FoundIds
    tracing: TracingInput
    secrets: Secrets
    /** What is a name in the text, and what a value, is not certain. */
    malformed: boolean
  },
): MessageRejection {
  const { findings, ids, tracing, secrets, malformed } = found
  const discretion = createDiscretion({ known: CONTRACT_NAMES, malformed, secrets })
  const shown = Object.entries(ids).filter(([, id]) => discretion.showsText(id))
  return {
    ok: false,
    code,
    detail: publishableFaults(findings, discretion),
    ...(Object.fromEntries(shown) as FoundIds),
    tracing: publishableTracing(tracing, discretion.showsText),
  }
}
