import type { Logger } from 'pino'
import { namedOthers, type Outcome } from '../attempt/outcome.ts'
import type { OutcomeRecorder, Settlement } from '../attempt/outcome-recorder.ts'
import { isForWantOfServers, type LookTimes, type OpenAttempt, settlementOf } from '../attempt/settlement.ts'
import { bucketEffect } from '../budget/call-effect.ts'
import { isTaken } from '../database/errors.ts'
import type { ClaimedCall } from './batch-create-call.ts'

export interface RecordContext extends LookTimes {
  recorder: OutcomeRecorder
  /** Whether a 429 slows the refill down. */
  adaptive?: boolean
  /** CloudDC has refused an order of the project for want of ready servers. */
  onNotReady?: (projectId: string) => void
  logger: Logger
}

/** Records the outcome with its events; as unknown, where the ids it names belong to instances of other requests. */
export async function recordOutcome(
  context: RecordContext,
  call: ClaimedCall,
  outcome: Outcome,
): Promise<void> {
  if (outcome.class === 'not_created' && outcome.reason === 'refused' && isForWantOfServers(outcome.code))
    context.onNotReady?.(call.request.projectId)
  try {
    await context.recorder.record(settlementFor(context, call, outcome))
  } catch (error) {
    if (outcome.class !== 'created' || !isTaken(error)) throw error
    context.logger.error(namesOf(call), 'CloudDC answered with ids of instances of other requests')
    await context.recorder.record(settlementFor(context, call, namedOthers(outcome)))
  }
}

function settlementFor(
  context: RecordContext,
  { request, claim }: ClaimedCall,
  outcome: Outcome,
): Settlement {
  const { name } = request.spec
  const attempt: OpenAttempt = {
    id: request.id,
    attempt: request.attempt,
    from: 'dispatching',
    claimId: claim.id,
    minCount: request.minCount,
    maxCount: request.maxCount,
    instanceName: typeof name === 'string' ? name : null,
    waitsForReady: request.waitsForReady,
    seen: { version: request.version, historyBytes: request.historyBytes },
  }
  return {
    projectId: request.projectId,
    row: settlementOf(attempt, outcome, context),
    bucket: bucketEffect(outcome, { ...request, payment: claim.id, adaptive: context.adaptive ?? false }),
    claim,
  }
}

/** What the log calls the attempt. */
export function namesOf({ request: { projectId, requestId, attempt } }: ClaimedCall) {
  return { projectId, requestId, attempt }
}
