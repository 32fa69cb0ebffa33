import { lookCount } from '../attempt/look-evidence.ts'
import type { Fault } from '../contracts/fault.ts'
import type { AuditPage, DeadLetterList, Failures, Run, UncertainPage } from '../contracts/operations.ts'
import type { Database } from '../database/database.ts'
import { NIL_UUID } from '../runtime/uuid.ts'
import { findFailures } from './find-failures.sql.ts'
import { type FoundProject, findProjects, type ProjectPlace } from './find-projects.sql.ts'
import { findUncertain } from './find-uncertain.sql.ts'
import { runReply } from './run-reply.ts'

/** Failed requests looked at, at most: some hundred milliseconds. */
const FAILURES_READ = 100_000
const PROJECTS_NAMED = 10

/** What operators read beside requests. */
export interface OperationsReads {
  /** Newest first; `before` is the id of the last entry of the page before. */
  audit(page: { limit: number; before: bigint | undefined }): Promise<AuditPage>
  /** `most` ended requests are looked at; by default 100,000. */
  failures(since: Date, bounds?: { most: number }): Promise<Failures>
  /** `after` is the row id of the last request of the page before. */
  uncertain(page: {
    limit: number
    after: string | undefined
  }): Promise<Omit<UncertainPage, 'next_marker'> & { lastId: string | null }>
  /** `last`: where the next page begins; null after the last one. */
  projects(page: {
    limit: number
    after: ProjectPlace | undefined
  }): Promise<{ projects: FoundProject[]; last: ProjectPlace | null }>
  /** Newest first. */
  deadLetters(filter: { code: string | undefined; limit: number }): Promise<Omit<DeadLetterList, 'in_queue'>>
  /** Null where there is no such run. */
  run(id: string): Promise<Run | null>
}

export function createOperationsReads({ database }: { database: Database }): OperationsReads {
  return {
    audit: async ({ limit, before }) => {
      const rows = await database.prisma.auditEntry.findMany({
        ...(before === undefined ? {} : { where: { id: { lt: before } } }),
        orderBy: { id: 'desc' },
        take: limit + 1,
      })
      const page = rows.slice(0, limit)
      const entries = page.map(({ id, projectId, ...entry }) => ({
        ...entry,
        id: String(id),
        verb: entry.verb as AuditPage['entries'][number]['verb'],
        project_id: projectId,
        before: membersOf(entry.before),
        after: membersOf(entry.after),
      }))
      return { entries, next_marker: rows.length > limit ? (entries.at(-1)?.id ?? null) : null }
    },

    failures: async (since, { most } = { most: FAILURES_READ }) => {
      const rows = await findFailures(database, {
        since,
        limit: most,
        projectsNamed: PROJECTS_NAMED,
      })
      const failures = rows.map(({ projectCount, projectId, requestId, message, ...row }) => ({
        ...row,
        code: row.code ?? 'unknown',
        project_count: projectCount,
        sample: { project_id: projectId, request_id: requestId, message: message ?? '', at: row.last },
      }))
      const total = rows.reduce((sum, { count }) => sum + count, 0)
      return { since, failures, truncated: total >= most }
    },

    uncertain: async ({ limit, after = NIL_UUID }) => {
      const { attempts, total } = await findUncertain(database, { after, limit: limit + 1 })
      const page = attempts.slice(0, limit)
      return {
        total,
        attempts: page.map(({ doubt, dueAt }) => ({
          project_id: doubt.projectId,
          request_id: doubt.requestId,
          attempt: doubt.attempt,
          attempt_id: doubt.key,
          expected: { min: doubt.minCount, max: doubt.maxCount },
          uncertain_since: doubt.uncertainAt,
          age_seconds: Math.max(0, Math.round(doubt.ageMs / 1000)),
          looks: lookCount(doubt.evidence),
          evidence: doubt.evidence,
          next_look_at: dueAt,
        })),
        lastId: attempts.length > limit ? (page.at(-1)?.doubt.id ?? null) : null,
      }
    },

    projects: async ({ limit, after }) => {
      const rows = await findProjects(database, { after, limit: limit + 1 })
      const projects = rows.slice(0, limit)
      return { projects, last: rows.length > limit ? (projects.at(-1) ?? null) : null }
    },

    deadLetters: async ({ code, limit }) => {
      const rows = await database.prisma.deadLetter.findMany({
        ...(code === undefined ? {} : { where: { code } }),
        orderBy: [{ at: 'desc' }, { id: 'desc' }],
        take: limit,
      })
      return {
        letters: rows.map((row) => ({
          id: row.id,
          rejected_at: row.at,
          code: row.code,
          project_id: row.projectId,
          request_id: row.requestId,
          detail: JSON.parse(row.faults) as Fault[],
          bytes: row.bytes,
          replayed_at: row.replayedAt,
        })),
      }
    },

    run: async (id) => {
      const row = await database.prisma.operationRun.findUnique({ where: { id } })
      return row === null ? null : runReply(row)
    },
  }
}

function membersOf(value: unknown): Record<string, unknown> | null {
  return value === null ? null : { ...(value as Record<string, unknown>) }
}
