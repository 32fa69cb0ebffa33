import { setTimeout as sleep } from 'node:timers/promises'
import type { Delivery } from '../amqp/message.ts'
import type { RequestList } from '../contracts/status.ts'
import type { Wire } from '../contracts/wire.ts'
import { isTerminal, type RequestState } from '../request/provision-request.ts'
import type { Api } from './api.ts'
import { CommandError, passes } from './command-error.ts'
import { faultLine } from './fault-line.ts'
import type { Order } from './read-orders.ts'
import { listPathOf, reasonOf, type StatusReply } from './requests.ts'

/** How an order ended: a final state of its request, or that its message was rejected. */
export interface End {
  project_id: string
  request_id: string
  state: RequestState | 'rejected'
  /** Why, where it did not end well. */
  reason: string | null
}

const LOOK_MS = 1000
/** As many as the API tells of in one reply, whose ids fit into the line of a query. */
const AT_ONCE = 100
const MAX_QUERY = 12_000

/** Orders that have not ended, and what is learnt of them. */
export interface Ends {
  /** What an event `request.rejected` tells. */
  rejected(delivery: Delivery): void
  /** Resolves when all have ended, with their ends. Throws a CommandError after `timeoutMs`, or when the service refuses to tell. */
  await(): Promise<End[]>
}

export function createEnds(
  api: Pick<Api, 'read'>,
  orders: readonly Order[],
  {
    timeoutMs,
    onEnd,
    onTrouble,
  }: {
    timeoutMs: number | undefined
    onEnd: (end: End) => void
    /** The service does not answer for now. */
    onTrouble: (message: string) => void
  },
): Ends {
  const open = new Map(orders.map((order) => [keyOf(order), order]))
  const ends: End[] = []

  const end = (told: End) => {
    if (!open.delete(keyOf({ projectId: told.project_id, requestId: told.request_id }))) return
    ends.push(told)
    onEnd(told)
  }

  const look = async () => {
    const byProject = Map.groupBy(open.values(), ({ projectId }) => projectId)
    for (const [project, ofProject] of byProject) {
      for (const ids of inQueries(ofProject.map(({ requestId }) => requestId))) {
        const path = listPathOf(project)
        const { requests } = await api.read<Wire<RequestList>>(path, {
          request_id: ids.join(','),
          limit: AT_ONCE,
        })
        for (const status of requests) if (isTerminal(status.state)) end(endOf(status))
      }
    }
  }

  return {
    rejected: ({ body }) => {
      const { data } = JSON.parse(body.toString('utf8')) as { data: RejectedData }
      const { project_id, request_id, code, detail } = data
      const reason = [code, ...detail.map(faultLine)].join('; ')
      end({ project_id, request_id, state: 'rejected', reason })
    },
    await: async () => {
      const deadline = performance.now() + (timeoutMs ?? Number.POSITIVE_INFINITY)
      while (open.size > 0) {
        if (performance.now() >= deadline) throw tooLate(open.size, orders.length)
        await sleep(Math.max(0, Math.min(LOOK_MS, deadline - performance.now())))
        await look().catch((error: unknown) => {
          if (!passes(error)) throw error
          onTrouble(error.message)
        })
      }
      return ends
    },
  }
}

/** The ids in groups that fit into one query each. */
function inQueries(ids: readonly string[]): string[][] {
  const groups: string[][] = []
  let length = MAX_QUERY
  for (const id of ids) {
    const own = encodeURIComponent(`${id},`).length
    if (length + own > MAX_QUERY || groups.at(-1)?.length === AT_ONCE) {
      groups.push([])
      length = 0
    }
    groups.at(-1)?.push(id)
    length += own
  }
  return groups
}

interface RejectedData {
  project_id: string
  request_id: string
  code: string
  detail: { path: string; message: string }[]
}

const keyOf = ({ projectId, requestId }: Pick<Order, 'projectId' | 'requestId'>) =>
  `${projectId} ${requestId}`

function endOf(status: StatusReply): End {
  const { project_id, request_id, state } = status
  return { project_id, request_id, state, reason: reasonOf(status) }
}

const tooLate = (open: number, all: number) =>
  new CommandError(
    'failed',
    'timeout',
    `${open} of ${all} orders ${open === 1 ? 'has' : 'have'} not ended in time`,
    {
      next: 'they go on: list shows them, and running this again waits on',
    },
  )
