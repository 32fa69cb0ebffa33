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
import type { Overview as OverviewReply } from '../src/operations/overview-reply.ts'

/** What the service answers the page, as JSON: taken from its own contracts, so that the page cannot differ from them. */

type Json<Value> = Value extends Date
  ? string
  : Value extends object
    ? { [Key in keyof Value]: Json<Value[Key]> }
    : Value

export type Overview = Json<OverviewReply>
export type Status = Json<RequestStatus>
export type List = Json<RequestList>
export type Entry = Json<HistoryEntry>
export type Transition = Extract<Entry, { kind: 'transition' }>
export type Attempt = Extract<Entry, { kind: 'attempt' }>
export type History = Json<HistoryReply>
export type Summary = Json<SummaryReply>
export type Projects = Json<ProjectList>
export type Failures = Json<FailuresReply>
export type Uncertain = Json<UncertainPage>
export type Letters = Json<DeadLetterList>
export type Audit = Json<AuditPage>
export type Run = Json<RunReply>
export type Problem = ProblemReply

/** Who has signed in. */
export interface Caller {
  id: string
  roles: string[]
  projects: string[] | '*'
  expires_at: string | null
}
