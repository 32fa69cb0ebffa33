import type { ProvisionCommand } from '../contracts/request-message.ts'
import type { Tracing } from '../contracts/tracing.ts'
import { newUuid } from '../runtime/uuid.ts'
import { contentDigest, type PasswordDigester, type PasswordTracer } from '../secrets/digest.ts'
import { type Sealer, sealContext } from '../secrets/seal.ts'

/** A request as intake hands it over: validated, its password sealed. */
export interface NewRequest {
  /** UUIDv7 */
  id: string
  projectId: string
  requestId: string
  contentDigest: Buffer
  /** As PasswordDigester makes it; null where there are no keys for it. */
  passwordDigest: string | null
  /** As PasswordTracer makes it. */
  passwordTrace: string
  /** Without the password. */
  spec: Record<string, unknown>
  sealedPassword: Buffer
  priority: number
  minCount: number
  maxCount: number
  deadline: Date | null
  /** Too few ready servers let it wait, instead of ending it. */
  waitsForReady: boolean
  /** It stays back until the servers it has selected have been looked at. */
  held: boolean
  correlationId: string | null
  traceparent: string | null
  tracestate: string | null
}

export interface RowOptions {
  sealer: Sealer
  passwordDigester: PasswordDigester
  passwordTracer: PasswordTracer
  /** Whether selected servers are looked at first. */
  preflight?: boolean | undefined
}

/** The row of an accepted message. */
export function toNewRequest(
  command: ProvisionCommand,
  tracing: Tracing,
  { sealer, passwordDigester, passwordTracer, preflight = false }: RowOptions,
): NewRequest {
  const { projectId, requestId, spec, priority, minCount, maxCount, deadline, waitsForReady } = command
  return {
    id: newUuid(),
    projectId,
    requestId,
    contentDigest: contentDigest(command),
    passwordDigest: passwordDigester.digest(command),
    passwordTrace: passwordTracer.trace(command),
    spec,
    sealedPassword: sealer.seal(command.password, sealContext(projectId, requestId)),
    priority,
    minCount,
    maxCount,
    deadline,
    waitsForReady,
    held: preflight && spec.placement !== undefined,
    ...tracing,
  }
}
