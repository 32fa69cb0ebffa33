import type { FastifyInstance, FastifyReply } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { holderOf } from '../access/caller.ts'
import { type History, historySchema } from '../contracts/history.ts'
import { requestListSchema, requestStatusSchema } from '../contracts/status.ts'
import { isTerminal, type RequestState } from '../request/provision-request.ts'
import type { RequestKey } from '../request/request-key.ts'
import { requestKey } from '../request/request-key.ts'
import { namesTag } from './etag.ts'
import { EXAMPLES } from './examples.ts'
import { listQuery } from './list-query.ts'
import { conditionalHeaders, idToMarker, projectParams, requestParams, statusQuery } from './parameters.ts'
import { notFound } from './problem.ts'
import type { Reads, StatusRead } from './reads.ts'
import { NOT_MODIFIED, problemReplies, reply, TAGGED } from './replies.ts'
import type { StatusWatcher } from './status-watcher.ts'

const TAGS = ['provision requests']
const PATH = '/v1/:project_id/provision-requests'

interface WaitRequest {
  waitMs: number
  since: RequestState | undefined
  /** If-None-Match */
  seen: string | undefined
  signal: AbortSignal
}

/** Marks the reply with its tag, for clients and private caches that ask again; tells whether the client has it already. */
function isSeen(answer: FastifyReply, tag: string, ifNoneMatch: string | undefined): boolean {
  answer.headers({ etag: tag, 'cache-control': 'private, no-cache' })
  return namesTag(ifNoneMatch, tag)
}

export function registerRequestsRoutes(
  instance: FastifyInstance,
  { reads, watcher }: { reads: Reads; watcher: StatusWatcher },
): void {
  const app = instance.withTypeProvider<ZodTypeProvider>()

  const readStatus = async (key: RequestKey) => {
    const read = await reads.status(key)
    if (read === null) throw notFound(`project ${key.projectId} has no provision request ${key.requestId}`)
    return read
  }

  /**
   * The status once it differs from `since` or is terminal, or as it is when the time is over. Without `since` it is
   * waited for as long as it is the one that the client has (`seen`), or for another state where it has none.
   */
  const waitForStatus = async (
    key: RequestKey,
    { waitMs, since, seen, signal }: WaitRequest,
  ): Promise<StatusRead> => {
    const deadline = performance.now() + waitMs
    let read = await readStatus(key)
    if (since === undefined && seen !== undefined && !namesTag(seen, read.tag)) return read
    const known = since ?? read.status.state
    for (;;) {
      const { id, status } = read
      const timeoutMs = Math.ceil(deadline - performance.now())
      if (status.state !== known || isTerminal(status.state) || timeoutMs <= 0 || signal.aborted) return read
      const ended = await watcher.waitForChange({
        id,
        key: requestKey(key),
        since: known,
        timeoutMs,
        signal,
      })
      if (ended === 'gone') return read
      read = await readStatus(key)
      if (ended !== 'changed') return read
    }
  }

  app.get(
    `${PATH}/:request_id`,
    {
      schema: {
        tags: TAGS,
        operationId: 'getProvisionRequest',
        summary: 'The status of one provision request',
        description:
          'State, counts, instances, what the request waits for and why it failed. With `wait`, the reply is held ' +
          'until the state differs from `since` or is final; when the time is over, it is the status as it stands. With ' +
          '`If-None-Match` and without `since`, a status other than the one named is not waited for.',
        params: requestParams,
        querystring: statusQuery,
        headers: conditionalHeaders,
        response: {
          200: { ...reply('Its status', requestStatusSchema, EXAMPLES.status), headers: TAGGED },
          304: NOT_MODIFIED,
          ...problemReplies([400, 404, 503]),
        },
      },
    },
    async ({ params, query, headers, signal, caller }, answer) => {
      const key = { projectId: params.project_id, requestId: params.request_id }
      const seen = headers['if-none-match']
      const read = () => waitForStatus(key, { waitMs: query.wait ?? 0, since: query.since, seen, signal })
      const { status, tag } = await (query.wait ? watcher.hold(holderOf(caller), read) : read())
      return isSeen(answer, tag, seen) ? answer.code(304).send() : answer.send(status)
    },
  )

  app.get(
    PATH,
    {
      schema: {
        tags: TAGS,
        operationId: 'listProvisionRequests',
        summary: 'The provision requests of a project, newest first',
        description:
          'One page of requests, of all or of those that every filter lets through: the status of up to 100 requests in ' +
          'one reply by `request_id`, all that failed by `state`, and so on. Follow `next_marker` for the next page, with ' +
          'the same filters. Requests that ended are listed for as long as they are kept (`RETENTION_DAYS`).',
        params: projectParams,
        querystring: listQuery,
        headers: conditionalHeaders,
        response: {
          200: {
            ...reply('One page; empty for a project without requests', requestListSchema, EXAMPLES.list),
            headers: TAGGED,
          },
          304: NOT_MODIFIED,
          ...problemReplies([400, 503]),
        },
      },
    },
    async ({ params, query, headers }, answer) => {
      const { requests, lastId, tag } = await reads.list({
        projectId: params.project_id,
        states: query.state,
        requestIds: query.request_id,
        createdAfter: query.created_after,
        createdBefore: query.created_before,
        errorCode: query.error_code,
        correlationId: query.correlation_id,
        limit: query.limit,
        before: query.marker,
      })
      if (isSeen(answer, tag, headers['if-none-match'])) return answer.code(304).send()
      return answer.send({ requests, next_marker: lastId === null ? null : idToMarker(lastId) })
    },
  )

  app.get(
    `${PATH}/:request_id/history`,
    {
      schema: {
        tags: TAGS,
        operationId: 'getProvisionRequestHistory',
        summary: 'Every transition and attempt of one provision request, oldest first',
        description:
          'Each change of state and each call of batch-create, with its cause and what the decision rested on. ' +
          'Very long histories lose their oldest entries (`truncated`).',
        params: requestParams,
        response: {
          200: reply('Its history', historySchema, EXAMPLES.history),
          ...problemReplies([400, 404, 503]),
        },
      },
    },
    async ({ params }): Promise<History> => {
      const history = await reads.history({ projectId: params.project_id, requestId: params.request_id })
      if (history !== null) return history
      throw notFound(`project ${params.project_id} has no provision request ${params.request_id}`)
    },
  )
}
