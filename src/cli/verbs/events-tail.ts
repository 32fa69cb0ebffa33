import { EVENT_EXCHANGE } from '../../amqp/topology.ts'
import { EVENT_KINDS } from '../../contracts/event-schemas.ts'
import { listen, lost, withLink } from '../broker.ts'
import { lineOf, readEvent } from '../draw-event.ts'
import { kindsOf } from '../event-kinds.ts'
import { readRequest, someProject, value, wholeNumber } from '../option.ts'
import { defineVerb } from '../verb.ts'

export const eventsTail = defineVerb({
  name: 'events tail',
  says: 'shows events as they come, from a queue of its own; asks RabbitMQ alone',
  role: null,
  places: {},
  options: {
    project: someProject,
    request: value('request', 'only of this request', readRequest),
    kinds: value('kinds', `only of these, comma separated: ${EVENT_KINDS.join(', ')}`, kindsOf(EVENT_KINDS)),
    count: value('number', 'end after so many', wholeNumber(1, 1_000_000_000)),
  },
  examples: [
    'events tail --project project-1 --kinds instance.running,request.completed',
    'events tail --json',
  ],
  notes: 'Nobody else misses an event by that. What came before is shown by events replay.',
  carryOut: ({ project = '*', request, kinds = ['*.*'], count }, { amqpUrl, terminal, json }) =>
    withLink(amqpUrl(), async (link) => {
      const enough = Promise.withResolvers<undefined>()
      let shown = 0
      const keys = kinds.map((kind) => `${kind}.${project}`)
      await listen(link, { exchange: EVENT_EXCHANGE, keys }, ({ body }) => {
        const event = readEvent(body)
        if (event === null || (request !== undefined && event.data.request_id !== request)) return
        if (shown === count) return
        terminal.line(json ? JSON.stringify(event) : lineOf(event))
        shown += 1
        if (shown === count) enough.resolve(undefined)
      })
      terminal.note(`listening at ${link.display}; Ctrl-C ends`)
      return Promise.race([enough.promise, lost(link)])
    }),
})
