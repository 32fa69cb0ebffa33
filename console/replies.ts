import type { HistoryEntry, History as HistoryReply } from '../src/contracts/history.ts'
import type {
  AuditPage,
  DeadLetterList,
  Failures as FailuresReply,
  Run as RunReply,
  UncertainPage,
} from '../src/contracts/operations.ts'
import type { ProjectList } from '../src/contracts/project-list.ts'
import type { Problem as ProblemReply, RequestList, RequestStatus } from '../src/contracts/status.ts'
import type { Summary as SummaryReply } from '../src/contracts/summary.ts'
import type { Wire } from '../src/contracts/wire.ts'
import type { Overview as OverviewReply } from '../src/operations/overview-reply.ts'

/** What the service answers the page, as JSON: taken from its own contracts, so that the page cannot differ from them. */

export type Overview = Wire<OverviewReply>
export type Status = Wire<RequestStatus>
export type List = Wire<RequestList>
export type Entry = Wire<HistoryEntry>
export type Transition = Extract<Entry, { kind: 'transition' }>
export type Attempt = Extract<Entry, { kind: 'attempt' }>
export type History = Wire<HistoryReply>
export type Summary = Wire<SummaryReply>
export type Projects = Wire<ProjectList>
export type Failures = Wire<FailuresReply>
export type Uncertain = Wire<UncertainPage>
export type Letters = Wire<DeadLetterList>
export type Audit = Wire<AuditPage>
export type Run = Wire<RunReply>
export type Problem = ProblemReply

/** Who has signed in. */
export interface Caller {
  id: string
  roles: string[]
  projects: string[] | '*'
  expires_at: string | null
}
