import { z } from 'zod'
import {
  projectId,
  requestId,
  requestStateSchema,
  text,
  textOrNull,
  time,
  timeOrNull,
  told,
} from './reply-members.ts'

/** The reply with all that happened to a request. */

const evidenceSchema = z.record(z.string(), z.unknown()).meta({
  id: 'Evidence',
  description: 'What a decision rested on: HTTP status, error code and message, what listings showed',
  examples: [{ http_status: 429, error_code: 'APIG.0308', error_message: 'The request rate is too high' }],
})

const evidence = evidenceSchema.nullable().describe('What the decision rested on; null when on nothing else')

const transitionSchema = z
  .object({
    kind: z.literal('transition').meta(told('Tells transitions from attempts', 'transition')),
    time: time('When the state changed'),
    cause: text('What changed it; docs/state-machine.md lists the causes', 'throttled'),
    evidence,
    from: requestStateSchema.nullable().describe('The state before; null for the first'),
    to: requestStateSchema.describe('The state after; the same where something was only noted'),
    attempt: z.int().nullable().meta(told('Number of the attempt behind the change; null without one', 1)),
  })
  .meta({ id: 'Transition', description: 'One change of state' })

const attemptSchema = z
  .object({
    kind: z.literal('attempt').meta(told('Tells attempts from transitions', 'attempt')),
    time: time('When the attempt was recorded, just before its call'),
    cause: text('Always `claimed`', 'claimed'),
    evidence,
    attempt: z.int().meta(told('1, 2, ... over all attempts of the request', 1)),
    attempt_id: text(
      "What the marker of its instances begins with: the request's row and the attempt's number",
      '019ab06b-6f1d-7c52-8a3e-0b7d52f1c9aa.1',
    ),
    state: z
      .enum(['in_flight', 'created', 'not_created', 'uncertain', 'adopted', 'void'])
      .meta(told('Outcome of the attempt; in_flight and uncertain are not final', 'not_created')),
    upstream_request_id: textOrNull(
      "CloudDC's id of the call (X-Request-Id), which its support asks for; null when no answer named one",
      '7d0c8a4be3f14b0f9a7f5a0c2f6f1b52',
    ),
    finished_at: timeOrNull('When the outcome was decided; null until then'),
    reconcile_at: timeOrNull('The next look for instances of this attempt; null when none is due'),
  })
  .meta({ id: 'Attempt', description: 'One call of batch-create' })

export const historySchema = z
  .object({
    project_id: projectId,
    request_id: requestId,
    history: z
      .array(z.discriminatedUnion('kind', [transitionSchema, attemptSchema]))
      .describe('Transitions and attempts, oldest first'),
    truncated: z
      .boolean()
      .meta(told('Whether the oldest entries were left out of a very long history', false)),
  })
  .meta({ id: 'History', description: 'All that happened to a provision request' })

export type History = z.output<typeof historySchema>
export type HistoryEntry = History['history'][number]
