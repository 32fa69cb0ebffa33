import type { Summary } from '../contracts/summary.ts'
import type { Wire } from '../contracts/wire.ts'
import { reasonOf } from './requests.ts'
import { facts } from './table.ts'
import type { Terminal } from './terminal.ts'
import { age, when } from './times.ts'

type SummaryReply = Wire<Summary>

/** The call limit of one project. */
export function drawBucket(terminal: Terminal, { project_id, bucket }: SummaryReply): string[] {
  if (bucket === null)
    return [`${project_id} has ordered nothing, or not for long: its limit is that of the configuration`]
  const { level, rate, burst, blocked_until, blocked_reason, paused } = bucket
  const closed =
    blocked_reason === null
      ? null
      : `${blocked_reason}, until ${when(blocked_until) ?? 'a call gets through'}`
  return facts(terminal, [
    ['limit', `${rate} calls per second, ${burst} at once`],
    ['left now', rounded(level)],
    ['closed', closed === null ? null : { text: closed, style: 'red' }],
    ['paused', paused ? { text: 'by an operator', style: 'yellow' } : null],
  ])
}

const rounded = (number: number) => Math.round(number * 10) / 10

/** How one project stands. */
export function drawSummary(terminal: Terminal, summary: SummaryReply): string[] {
  const { project_id, requests, counts_capped, oldest_waiting, oldest_uncertain } = summary
  const counts = Object.entries(requests).filter(([, count]) => count > 0)
  const states = counts.map(([state, count]) => `${count} ${state}`).join(', ')
  return [
    terminal.paint('bold', project_id),
    ...facts(terminal, [
      ['requests', `${states || 'none'}${counts_capped ? ', or more' : ''}`],
      [
        'waits longest',
        oldest_waiting &&
          `${oldest_waiting.request_id}, for ${age(oldest_waiting.created_at)}: ${reasonOf({ waiting: oldest_waiting.waiting, error: null }) ?? 'a call'}`,
      ],
      ['uncertain', oldest_uncertain && `${oldest_uncertain.request_id}, for ${age(oldest_uncertain.since)}`],
    ]),
    ...drawBucket(terminal, summary),
  ]
}
