import { UNLIMITED } from './credential.sql.ts'
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
  /** What credentials are limited to, besides their projects: those with a limit, and the bucket of any. */
  readonly credentials: { ids: readonly string[]; of(credentialId: string): BucketLimit }
}

export function createCallLimits({
  standard,
  overrides,
  credentials,
}: {
  standard: CallLimit
  overrides: ReadonlyMap<string, CallLimit>
  credentials: ReadonlyMap<string, CallLimit>
}): CallLimits {
  return {
    of: (projectId) => overrides.get(projectId) ?? standard,
    buckets: {
      standard: bucketLimit(standard),
      overrides: [...overrides].map(([projectId, limit]) => ({ projectId, ...bucketLimit(limit) })),
    },
    credentials: {
      ids: [...credentials.keys()],
      of: (credentialId) => {
        const limit = credentials.get(credentialId)
        return limit === undefined ? UNLIMITED : bucketLimit(limit)
      },
    },
  }
}
