import { buildBatchCreateBody } from '../attempt/create-body.ts'
import { attemptMarker } from '../attempt/marker.ts'
import { classifyOutcome, type Outcome } from '../attempt/outcome.ts'
import type { OpenClaim } from '../attempt/outcome-recorder.ts'
import { NOT_SENDABLE } from '../budget/call-effect.ts'
import { newsOfCreating } from '../budget/credential-effect.ts'
import type { Lateness } from '../budget/lateness.ts'
import type { PayingCredentials } from '../budget/paying-credentials.ts'
import type { TightToken } from '../budget/tight-tokens.ts'
import type { CloudDcClient } from '../clouddc/client.ts'
import type { Replica } from '../replica/replica.ts'
import { coerceError } from '../runtime/errors.ts'
import { reached } from '../runtime/steps.ts'
import { type Sealer, sealContext } from '../secrets/seal.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { CallLog } from './call-log.ts'
import type { ClaimedRequest } from './claim-requests.sql.ts'

/** A request that was claimed with its token, and its call with it. */
export interface ClaimedCall {
  request: ClaimedRequest
  /** The claim that holds it, together with others. */
  claim: OpenClaim
  replicaId: string
  /** This installation's name in the attempt's marker. */
  installation: string
  /** Milliseconds since the claim was sent: no less than since the claim on the database's clock. */
  age: () => number
  /** Of a tight bucket, else null. */
  tightToken: TightToken | null
}

export interface CallContext {
  client: Pick<CloudDcClient, 'batchCreate'>
  sealer: Sealer
  replica: Replica
  /** Shared by all batch-create calls of the process. */
  lateness: Lateness
  credentials: PayingCredentials
  callLog: CallLog
  metrics: Metrics
}

/** Makes the call, and returns its outcome. Never rejects. */
export async function callBatchCreate(context: CallContext, call: ClaimedCall): Promise<Outcome> {
  const { credentials, callLog, metrics } = context
  const startedAt = performance.now()
  const outcome = await send(context, call).catch(unsent)
  const seconds = (performance.now() - startedAt) / 1000
  const reason = outcome.class === 'created' ? 'accepted' : outcome.reason
  metrics.dispatch.callSeconds.observe({ outcome: outcome.class }, seconds)
  metrics.dispatch.calls.inc({ outcome: outcome.class, reason })
  if (reason === 'throttled') metrics.dispatch.throttled.inc({ call: 'batch_create' })
  credentials.tell({ ...call.request, payment: call.claim.id }, newsOfCreating(outcome))
  callLog.tell(call.request, outcome)
  return outcome
}

async function send(context: CallContext, call: ClaimedCall): Promise<Outcome> {
  const { request, installation } = call
  const password = context.sealer.open(
    request.sealedPassword,
    sealContext(request.projectId, request.requestId),
  )
  const marker = attemptMarker({
    provisionRequestId: request.id,
    attempt: request.attempt,
    installation,
    requestId: request.requestId,
  })
  const evidence = await context.client.batchCreate({
    projectId: request.projectId,
    body: buildBatchCreateBody(request.spec, password, marker),
    beforeWrite: () => {
      reached('dispatch.sending')
      refuseToSend(context, call)
    },
  })
  return classifyOutcome(evidence, request)
}

/** Throws when the call must not be made any more; called in the instant before its first byte is written. */
function refuseToSend({ replica, credentials, lateness }: CallContext, call: ClaimedCall): void {
  const { request, replicaId, age, tightToken } = call
  if (!replica.holdsLease() || replica.id() !== replicaId)
    throw new NotSentError('the lease of the claim is lost')
  if (request.deadlineInMs !== null && age() >= request.deadlineInMs)
    throw new NotSentError('the deadline has passed')
  credentials.check({ ...request, age })
  lateness.check({ age: tightToken?.age ?? age, roomMs: request.roomMs })
  tightToken?.written()
}

class NotSentError extends Error {}

/** A fault of our own before the client was called, such as a password that no configured key opens. */
function unsent(error: unknown): Outcome {
  return {
    class: 'not_created',
    reason: 'refused',
    code: NOT_SENDABLE,
    message: coerceError(error).message,
    httpStatus: null,
    retryAfterMs: null,
  }
}
