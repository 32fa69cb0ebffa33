import { lastLook, lookCount, readEvidence } from '../attempt/look-evidence.ts'
import type { UncertainAttempt } from './find-uncertain.sql.ts'
import type { Overview } from './overview-reply.ts'

const IDS_SHOWN = 10

/** An attempt of unknown outcome, in short. Pure. */
export function uncertainSample({ doubt, dueAt }: UncertainAttempt): Overview['uncertain']['sample'][number] {
  const { evidence } = doubt
  const { found, alarmed } = readEvidence(evidence)
  return {
    project_id: doubt.projectId,
    request_id: doubt.requestId,
    attempt: doubt.attempt,
    since: doubt.uncertainAt,
    cause: doubt.errorCode,
    looks: lookCount(evidence),
    found: [...found].slice(0, IDS_SHOWN),
    verdict: lastLook(evidence),
    needs_person: alarmed,
    next_look_at: dueAt,
  }
}
