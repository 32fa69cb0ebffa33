import type { RequestStatus } from '../contracts/status.ts'
import type { Wire } from '../contracts/wire.ts'
import { isTerminal, type RequestState } from '../request/provision-request.ts'
import { type Cell, facts, table } from './table.ts'
import type { Style, Terminal } from './terminal.ts'
import { age, at, when } from './times.ts'

export type StatusReply = Wire<RequestStatus>

/** What both ids of a request lead to. */
export const pathOf = (project: string, request: string) =>
  `${listPathOf(project)}/${encodeURIComponent(request)}`
export const listPathOf = (project: string) => `/v1/${encodeURIComponent(project)}/provision-requests`

/** Whether an ended request has brought the servers that were ordered, or enough of them. */
export const isGood = (state: RequestState) => state === 'running' || state === 'partially_running'

const STYLES: Partial<Record<RequestState, Style>> = {
  running: 'green',
  partially_running: 'yellow',
  uncertain: 'yellow',
  failed: 'red',
  expired: 'red',
}

export function stateCell(state: RequestState): Cell {
  const style = STYLES[state]
  return style === undefined ? state : { text: state, style }
}

/** What a request waits for, or why it ended, in one line; null for neither. */
export function reasonOf({ waiting, error }: Pick<StatusReply, 'waiting' | 'error'>): string | null {
  if (error !== null) return `${error.code}: ${error.message}`
  if (waiting === null) return null
  const { reason, until, detail, position, estimated_at } = waiting
  const parts = [
    reason,
    detail,
    until === null ? null : `until ${when(until)}`,
    position === null ? null : `place ${position}`,
    estimated_at === null ? null : `expected ${when(estimated_at)}`,
  ]
  return parts.filter((part) => part !== null).join(', ')
}

function serversOf({ counts: { min, max, created, running, failed } }: StatusReply): string {
  const ordered = min === max ? String(max) : `${min} to ${max}`
  return `${ordered} ordered, ${created} created, ${running} running, ${failed} failed`
}

export function drawStatus(terminal: Terminal, status: StatusReply): string[] {
  const { project_id, request_id, state, waiting, error, instances } = status
  const ended = isTerminal(state) ? `ended ${when(status.completed_at)}` : `since ${when(status.updated_at)}`
  return [
    `${terminal.paint('bold', `${project_id} ${request_id}`)}`,
    ...facts(terminal, [
      ['state', stateCell(state)],
      ['', ended],
      [error === null ? 'waits for' : 'why', reasonOf({ waiting, error })],
      ['servers', serversOf(status)],
      ['name', status.name],
      ['attempts', status.attempts],
      ['priority', status.priority === 0 ? null : status.priority],
      ['deadline', status.deadline === null ? null : when(status.deadline)],
      ['correlation', status.correlation_id],
      ['ordered', when(status.created_at)],
    ]),
    ...(instances.length === 0 ? [] : ['', ...drawInstances(terminal, instances)]),
  ]
}

function drawInstances(terminal: Terminal, instances: StatusReply['instances']): string[] {
  return table(
    terminal,
    [
      { title: 'instance' },
      { title: 'state' },
      { title: 'server' },
      { title: 'name', gives: true },
      { title: 'runs since' },
      { title: 'error', gives: true },
    ],
    instances.map(({ id, state, server_id, name, running_at, error }) => [
      id,
      stateCell(state as RequestState),
      server_id,
      name,
      at(running_at),
      error && `${error.code}: ${error.message}`,
    ]),
  )
}

export function drawList(terminal: Terminal, requests: readonly StatusReply[]): string[] {
  return table(
    terminal,
    [
      { title: 'request' },
      { title: 'state' },
      { title: 'running', right: true },
      { title: 'age', right: true },
      { title: 'name', gives: true },
      { title: 'waits for, or why it ended', gives: true },
    ],
    requests.map((status) => [
      status.request_id,
      stateCell(status.state),
      `${status.counts.running}/${status.counts.max}`,
      age(status.created_at),
      status.name,
      reasonOf(status),
    ]),
  )
}
