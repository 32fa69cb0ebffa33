import type { CallLimit } from '../budget/token-bucket.ts'
import { blockedReasonOf } from '../request/waiting.ts'
import type { Overview } from './overview-reply.ts'
import type { CredentialLevel, LevelsRow, ProjectLevel } from './read-levels.sql.ts'

type Budgets = Overview['budgets']

export interface ConfiguredLimits {
  ofProject: (projectId: string) => CallLimit
  /** Null where the credential has none of its own. */
  ofCredential: (credentialId: string) => CallLimit | null
}

/** The level of a bucket that nobody uses is the same with each reading: a tenth of a call is enough. */
const tenths = (value: number) => Math.round(value * 10) / 10
const hundredths = (value: number) => Math.round(value * 100) / 100

/** What of each budget is used. Pure. */
export function budgetsOf(row: LevelsRow, limits: ConfiguredLimits): Budgets {
  return {
    paused: row.paused && {
      ...row.paused,
      since: new Date(row.paused.since),
      until: dateOf(row.paused.until),
    },
    projects: row.projects.map((level) => projectOf(level, limits.ofProject(level.projectId))),
    totals: row.totals,
    credentials: row.credentials.map((level) => credentialOf(level, limits.ofCredential(level.credentialId))),
  }
}

function projectOf(level: ProjectLevel, configured: CallLimit): Budgets['projects'][number] {
  const burst = level.burst ?? configured.burst
  return {
    project_id: level.projectId,
    rate: hundredths(level.rate ?? configured.perSecond),
    burst,
    level: tenths(level.level ?? burst),
    used_share: hundredths(level.used),
    waiting: level.waits,
    ...closedOf(level),
    credential_id: level.credentialId === 'none' ? null : level.credentialId,
    paused: level.paused,
    paused_until: dateOf(level.pausedUntil),
    overridden: level.overridden,
    override_until: dateOf(level.overrideUntil),
  }
}

function credentialOf(level: CredentialLevel, limit: CallLimit | null): Budgets['credentials'][number] {
  const { limited, proven, projects } = level
  return {
    credential_id: level.credentialId,
    rate: limited ? hundredths(level.rate) : null,
    burst: limited ? (limit?.burst ?? null) : null,
    level: limited ? tenths(level.level) : null,
    used_share: limited ? hundredths(level.used) : null,
    ...closedOf(level),
    proven,
    projects,
  }
}

function closedOf({ reason, until }: Pick<ProjectLevel, 'reason' | 'until'>) {
  return {
    closed_reason: blockedReasonOf(reason),
    closed_until: dateOf(until),
  }
}

function dateOf(time: string | null): Date | null {
  return time === null ? null : new Date(time)
}
