import type { Link } from '../../amqp/link.ts'
import { REPLAY_EXCHANGE } from '../../amqp/topology.ts'
import { REPLAYED_KINDS } from '../../contracts/event-schemas.ts'
import { newUuid } from '../../runtime/uuid.ts'
import type { Change } from '../api.ts'
import { listen, lost, withLink } from '../broker.ts'
import { lineOf, readEvent } from '../draw-event.ts'
import { kindsOf } from '../event-kinds.ts'
import { beginRun, followRun, type RunReply } from '../follow-run.ts'
import {
  byDefault,
  flag,
  instant,
  positiveNumber,
  readRequest,
  reason,
  required,
  someProject,
  value,
} from '../option.ts'
import { type Context, DRY_RUN, defineVerb } from '../verb.ts'

export const eventsReplay = defineVerb({
  name: 'events replay',
  says: 'has past events sent again, to a queue of its own, and shows them; or to the queues of a consumer',
  role: 'operate',
  places: {},
  options: {
    from: required(
      value('time', 'events of this time or later: RFC 3339, or 2h for two hours ago', instant(-1)),
    ),
    to: value('time', 'events before this time; by default now', instant(-1)),
    project: someProject,
    request: value('request', 'only of this request; with --project', readRequest),
    kinds: value(
      'kinds',
      `only of these, comma separated: ${REPLAYED_KINDS.join(', ')}`,
      kindsOf(REPLAYED_KINDS),
    ),
    target: value(
      'key',
      'show none: send them to the queues that are bound with this key to provision.replay',
    ),
    perSecond: byDefault(value('number', 'how many per second, by default 100', positiveNumber), 100),
    reason,
    noWait: flag('with --target: only begin it'),
    ...DRY_RUN,
  },
  examples: [
    'events replay --from 2h --project project-1 --reason "looking for a lost server"',
    'events replay --target my-events --from 2026-01-01T00:00:00Z --reason "billing lost its queue"',
  ],
  notes: 'Live consumers get none of them. Each event has the id of its first time, and is shown once.',
  check: ({ project, request, target, noWait }) => {
    if (request !== undefined && project === undefined) return '--request needs --project'
    return noWait && target === undefined ? '--no-wait needs --target' : null
  },
  carryOut: async (
    { target, from, to, project, request, kinds, perSecond, reason, noWait, dryRun },
    context,
  ) => {
    const key = target ?? `command-${newUuid()}`
    const chosen = { from, to, project_id: project, request_id: request, kinds }
    const body = { target: key, ...chosen, per_second: perSecond, reason }
    const change = { method: 'POST', path: '/operations/events/replay', body } as const
    if (dryRun || target !== undefined) await beginRun(context, change, { dryRun, noWait })
    else await withLink(context.amqpUrl(), (link) => sendHere(context, link, key, change))
    return undefined
  },
})

/** The end of the replay comes through the queue as well, behind all events: then all have been seen. */
async function sendHere(context: Context, link: Link, key: string, change: Change) {
  const { terminal, json, api } = context
  const seen = new Set<string>()
  const end = Promise.withResolvers<void>()
  const END = `end of ${key}`
  await listen(link, { exchange: REPLAY_EXCHANGE, keys: [key] }, (delivery) => {
    if (delivery.messageId === END) return end.resolve()
    const event = readEvent(delivery.body)
    if (event === null || seen.has(event.id)) return
    seen.add(event.id)
    terminal.line(json ? JSON.stringify(event) : lineOf(event))
  })
  const work = async () => {
    const begun = await api.change<RunReply>(change)
    terminal.note(`run ${begun.id} has been stored`)
    await followRun(context, begun.id)
    const properties = { messageId: END }
    await link.publisher.publish({
      exchange: REPLAY_EXCHANGE,
      routingKey: key,
      body: '',
      properties,
      mandatory: true,
    })
    await end.promise
  }
  await Promise.race([work(), lost(link)])
  terminal.note(`${seen.size} ${seen.size === 1 ? 'event' : 'events'}`)
}
