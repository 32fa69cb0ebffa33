import type { Sql } from '../database/database.ts'
import { isTerminal, REQUEST_STATES, type RequestState } from '../request/provision-request.ts'
import { uuidAt } from '../runtime/uuid.ts'
import { REQUEST_COLUMNS, type RequestRow, rowsOf, type StoredRow, WITH_BUCKET } from './read-requests.sql.ts'

/** Which requests of a project a page shows; null and undefined leave a filter out. */
export interface PageQuery {
  projectId: string
  states: readonly RequestState[] | undefined
  requestIds: readonly string[] | undefined
  /** Stored after, or before, this time. */
  createdAfter: Date | undefined
  createdBefore: Date | undefined
  errorCode: string | undefined
  correlationId: string | undefined
  /** Only those with a lower id. */
  before: string | undefined
  limit: number
}

/**
 * What all filters ask of request `r`. The bounds of the id serve the indexes: an id is made, by its replica's clock,
 * before its request is stored.
 *
 * $1 project, $2 only lower ids, $3 no lower ids, $4 stored after, $5 stored before, $6 states, $7 error code,
 * $8 correlation id, $9 most rows; null leaves a filter out.
 */
const CONDITIONS = `r.project_id = $1 AND r.id < $2::uuid AND r.id >= $3::uuid
      AND ($4::timestamptz IS NULL OR r.created_at > $4::timestamptz)
      AND ($5::timestamptz IS NULL OR r.created_at < $5::timestamptz)
      AND ($6::text[] IS NULL OR r.state::text = ANY($6::text[]))
      AND ($7::text IS NULL OR r.error_code = $7::text)
      AND ($8::text IS NULL OR r.correlation_id = $8::text)`

const NEWEST = 'ORDER BY id DESC LIMIT $9::int'

/** One page, newest first, of the requests that `found` brings the ids of. */
const page = (found: string) => `WITH picked AS MATERIALIZED (
  SELECT id FROM (${found}) found ${NEWEST}
)
${REQUEST_COLUMNS}
FROM picked
CROSS JOIN LATERAL (SELECT one.* FROM provision_request one WHERE one.id = picked.id OFFSET 0) r
${WITH_BUCKET}
ORDER BY picked.id DESC`

/** By the index that `condition` leads to, each filter of which the others narrow. */
const where = (condition: string) => `
    SELECT r.id FROM provision_request r
    WHERE ${condition} AND ${CONDITIONS}
    ${NEWEST}`

const OPEN = REQUEST_STATES.filter((state) => !isTerminal(state))
const EXCEPTIONS = REQUEST_STATES.filter((state) => isTerminal(state) && state !== 'running')

/** Branches whose condition on the states does not hold are not run. */
const wanted = (...states: readonly RequestState[]) => `$6::text[] && ARRAY['${states.join("', '")}']`

/**
 * One statement for each filter that an index serves, the most selective one first. Open requests and those that ended
 * otherwise than running have partial indexes; most requests of a project run, so these come from the project's index.
 */
const PAGES = {
  /** $10 requests. */
  requestIds: page(`
    SELECT r.id
    FROM unnest($10::text[]) AS asked(request_id)
    CROSS JOIN LATERAL (
      SELECT one.* FROM provision_request one
      WHERE one.project_id = $1 AND one.request_id = asked.request_id
      OFFSET 0
    ) r
    WHERE ${CONDITIONS}`),
  correlationId: page(where('r.correlation_id = $8::text')),
  errorCode: page(where('r.error_code = $7::text')),
  states: page(
    [
      where(`${wanted(...OPEN)} AND r.completed_at IS NULL`),
      where(`${wanted('running')} AND r.state = 'running'`),
      ...EXCEPTIONS.map((state) => where(`${wanted(state)} AND r.exception_state = '${state}'`)),
    ]
      .map((branch) => `(${branch})`)
      .join('\n    UNION ALL'),
  ),
  all: page(where('true')),
} as const

/** How long a request may have waited for the database between the making of its id and its being stored. */
const HELD_MS = 3_600_000
/** How far a replica's clock may be ahead of the database's. */
const AHEAD_MS = 60_000

const HIGHEST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

export async function readPage(sql: Sql, query: PageQuery): Promise<RequestRow[]> {
  const { projectId, states, requestIds, createdAfter, createdBefore, errorCode, correlationId } = query
  const { before = HIGHEST_ID, limit } = query
  const latest = createdBefore === undefined ? HIGHEST_ID : uuidAt(createdBefore.getTime() + AHEAD_MS)
  const values = [
    projectId,
    before < latest ? before : latest,
    uuidAt(createdAfter === undefined ? 0 : createdAfter.getTime() - HELD_MS),
    createdAfter?.toISOString() ?? null,
    createdBefore?.toISOString() ?? null,
    states ?? null,
    errorCode ?? null,
    correlationId ?? null,
    limit,
  ]
  const kind = pageOf(query)
  const own = kind === 'requestIds' ? [requestIds] : []
  return rowsOf(await sql.query<StoredRow>(PAGES[kind], ...values, ...own))
}

function pageOf({ requestIds, correlationId, errorCode, states }: PageQuery): keyof typeof PAGES {
  if (requestIds !== undefined) return 'requestIds'
  if (correlationId !== undefined) return 'correlationId'
  if (errorCode !== undefined) return 'errorCode'
  return states === undefined ? 'all' : 'states'
}
