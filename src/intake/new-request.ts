import type { ProvisionCommand } from '../contracts/request-message.ts'
import type { Tracing } from '../contracts/tracing.ts'
import { newUuid } from '../runtime/uuid.ts'
import { contentDigest, type PasswordDigester } from '../secrets/digest.ts'
import { type Sealer, sealContext } from '../secrets/seal.ts'

/** A request as intake hands it over: validated, its password sealed. */
export interface NewRequest {
  /** UUIDv7 */
  id: string
  projectId: string
  requestId: string
  contentDigest: Buffer
  /** "<key id>:<base64 of the HMAC>" */
  passwordDigest: string
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

/** The row of an accepted message. */
export function toNewRequest(
  command: ProvisionCommand,
  tracing: Tracing,
  {
    sealer,
    passwordDigester,
    preflight = false,
  }: {
    sealer: Sealer
    passwordDigester: PasswordDigester
    /** Whether selected servers are looked at first. */
    preflight?: boolean | undefined
  },
): NewRequest {
  const { projectId, requestId, spec, priority, minCount, maxCount, deadline, waitsForReady } = command
  return {
    id: newUuid(),
    projectId,
    requestId,
    contentDigest: contentDigest(command),
    passwordDigest: passwordDigester.digest(command),
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
