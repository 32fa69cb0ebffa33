import { type BucketLimit, bucketLimit, type CallLimit } from './token-bucket.ts'

/** The bucket of one project. */
export interface ProjectLimit extends BucketLimit {
  projectId: string
}

export interface CallLimits {
  /** The configured limit of a project. */
  of(projectId: string): CallLimit
  /** What the buckets are to be set to: the default, and the limits of single projects. */
  readonly buckets: { standard: BucketLimit; overrides: readonly ProjectLimit[] }
}

export function createCallLimits(standard: CallLimit, overrides: ReadonlyMap<string, CallLimit>): CallLimits {
  return {
    of: (projectId) => overrides.get(projectId) ?? standard,
    buckets: {
      standard: bucketLimit(standard),
      overrides: [...overrides].map(([projectId, limit]) => ({ projectId, ...bucketLimit(limit) })),
    },
  }
}
