import { BLOCKED_REASONS, type BlockedReason } from '../request/waiting.ts'

/** Counting stops here, so that a scrape costs the same whatever the backlog. A figure at the cap means: or more. */
export const COUNT_CAP = 100_000

/** What one read of the database tells; ages in seconds, counts up to COUNT_CAP. */
export interface Figures {
  eligible: number
  retrying: number
  dispatching: number
  uncertain: number
  uncertainAge: number
  provisioning: number
  pendingInstances: number
  outboxWaiting: number
  outboxAge: number
  dispatchOverdue: number
  retryOverdue: number
  expiryOverdue: number
  pollOverdue: number
  reconcileOverdue: number
  /** By reason, those that there are. */
  blockedBuckets: Partial<Record<BlockedReason, number>>
  /** By id: 1 while CloudDC refuses it. */
  blockedCredentials: Record<string, number>
  /** Of projects, and of all of them. */
  pauses: number
  replicas: number
}

/** A gauge: its one value, or a value for each value of its label. */
export interface FigureGauge {
  name: string
  help: string
  label?: string
  values: (figures: Figures) => number | Record<string, number>
}

export const FIGURE_GAUGES: readonly FigureGauge[] = [
  {
    name: 'requests',
    help: `Requests that have not ended, by state, those that are dispatching by whole claims; counts end at ${COUNT_CAP}`,
    label: 'state',
    values: (figures) => ({
      queued: figures.eligible + figures.retrying,
      dispatching: figures.dispatching,
      uncertain: figures.uncertain,
      provisioning: figures.provisioning,
    }),
  },
  {
    name: 'requests_retrying',
    help: 'Queued requests that wait for their retry time',
    values: (figures) => figures.retrying,
  },
  {
    name: 'uncertain_oldest_seconds',
    help: 'Age of the oldest attempt without an outcome',
    values: (figures) => figures.uncertainAge,
  },
  {
    name: 'instances_pending',
    help: `Instances that are polled; the count ends at ${COUNT_CAP}`,
    values: (figures) => figures.pendingInstances,
  },
  {
    name: 'outbox_waiting_events',
    help: `Events committed and not yet confirmed, by the size of what stands for them; the count ends at ${COUNT_CAP}`,
    values: (figures) => figures.outboxWaiting,
  },
  {
    name: 'outbox_oldest_seconds',
    help: 'Age of the first event in the outbox',
    values: (figures) => figures.outboxAge,
  },
  {
    name: 'overdue_seconds',
    help: 'How far the longest due row of each duty is behind its time; grows while a duty is stuck',
    label: 'duty',
    values: (figures) => ({
      dispatch: figures.dispatchOverdue,
      retry: figures.retryOverdue,
      expiry: figures.expiryOverdue,
      poll: figures.pollOverdue,
      reconcile: figures.reconcileOverdue,
    }),
  },
  {
    name: 'buckets_blocked',
    help: 'Projects with work whose bucket is closed, by reason, until a call gets through',
    label: 'reason',
    values: ({ blockedBuckets }) =>
      Object.fromEntries(BLOCKED_REASONS.map((reason) => [reason, blockedBuckets[reason] ?? 0])),
  },
  {
    name: 'credential_blocked',
    help: '1 while a credential is refused, for all its projects, until a call with it gets through',
    label: 'credential',
    values: ({ blockedCredentials }) => blockedCredentials,
  },
  {
    name: 'pauses',
    help: 'Pauses by operators that are in force, that of all projects counted as one',
    values: ({ pauses }) => pauses,
  },
  { name: 'replicas', help: 'Replicas whose lease holds', values: (figures) => figures.replicas },
]
