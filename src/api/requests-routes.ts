import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { holderOf } from '../access/caller.ts'
import { type History, historySchema } from '../contracts/history.ts'
import {
  type RequestList,
  type RequestStatus,
  requestListSchema,
  requestStatusSchema,
} from '../contracts/status.ts'
import { isTerminal, type RequestState } from '../request/provision-request.ts'
import type { RequestKey } from '../request/request-key.ts'
import { requestKey } from '../request/request-key.ts'
import { EXAMPLES } from './examples.ts'
import { idToMarker, listQuery, projectParams, requestParams, statusQuery } from './parameters.ts'
import { notFound } from './problem.ts'
import type { Reads } from './reads.ts'
import { problemReplies, reply } from './replies.ts'
import type { StatusWatcher } from './status-watcher.ts'

const TAGS = ['provision requests']
const PATH = '/v1/:project_id/provision-requests'

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

  /** The status once it differs from `since` or is terminal, or as it is when the time is over. */
  const waitForStatus = async (
    key: RequestKey,
    { waitMs, since, signal }: { waitMs: number; since: RequestState | undefined; signal: AbortSignal },
  ): Promise<RequestStatus> => {
    const deadline = performance.now() + waitMs
    let { id, status } = await readStatus(key)
    const known = since ?? status.state
    for (;;) {
      const timeoutMs = Math.ceil(deadline - performance.now())
      if (status.state !== known || isTerminal(status.state) || timeoutMs <= 0 || signal.aborted)
        return status
      const ended = await watcher.waitForChange({
        id,
        key: requestKey(key),
        since: known,
        timeoutMs,
        signal,
      })
      if (ended === 'gone') return status
      status = (await readStatus(key)).status
      if (ended !== 'changed') return status
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
          'until the state differs from `since` or is final; when the time is over, it is the status as it stands.',
        params: requestParams,
        querystring: statusQuery,
        response: {
          200: reply('Its status', requestStatusSchema, EXAMPLES.status),
          ...problemReplies([400, 404, 503]),
        },
      },
    },
    async ({ params, query, signal, caller }): Promise<RequestStatus> => {
      const key = { projectId: params.project_id, requestId: params.request_id }
      const read = () => waitForStatus(key, { waitMs: query.wait ?? 0, since: query.since, signal })
      return query.wait ? watcher.hold(holderOf(caller), read) : read()
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
          'One page of requests, of one state or of all. Follow `next_marker` for the next page. Requests that ended ' +
          'are listed for as long as they are kept (`RETENTION_DAYS`).',
        params: projectParams,
        querystring: listQuery,
        response: {
          200: reply('One page; empty for a project without requests', requestListSchema, EXAMPLES.list),
          ...problemReplies([400, 503]),
        },
      },
    },
    async ({ params, query }): Promise<RequestList> => {
      const { requests, lastId } = await reads.list({
        projectId: params.project_id,
        state: query.state,
        limit: query.limit,
        before: query.marker,
      })
      return { requests, next_marker: lastId === null ? null : idToMarker(lastId) }
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
