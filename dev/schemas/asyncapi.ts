import {
  DEAD_LETTER_EXCHANGE,
  DEAD_LETTER_QUEUE,
  EVENT_EXCHANGE,
  REPLAY_EXCHANGE,
  REQUEST_EXCHANGE,
  REQUEST_QUEUE,
  REQUEST_ROUTING_KEY,
} from '../../src/amqp/topology.ts'
import { EVENT_KINDS, type EventKind, REPLAYED_KINDS } from '../../src/contracts/event-schemas.ts'
import { EVENT_CONTENT_TYPE } from '../../src/contracts/events.ts'
import type { JsonSchema } from '../../src/contracts/json-schema.ts'
import { SEALED_TYPE } from '../../src/secrets/unseal-letter.ts'
import { DEAD_LETTER_HEADERS, REQUEST_HEADERS } from './amqp-headers.ts'
import { event, nameOf } from './event-schemas.ts'
import { allNamed, merge } from './json-schema.ts'
import { requestCloudEvent, requestMessage } from './request-schemas.ts'

/** Queues, exchanges and messages as AsyncAPI 3 tells of them. Actions are the service's own: it receives requests. */

const BINDING = { bindingVersion: '0.3.0' }
const ref = (...path: string[]) => ({ $ref: `#/${path.join('/')}` })
const eventMessage = (kind: EventKind) => `${nameOf(kind)}Event`
const REQUEST_MESSAGES = ['ProvisionRequest', 'ProvisionRequestCloudEvent', 'SealedLetter']

function queue(name: string) {
  return {
    amqp: { is: 'queue', queue: { name, durable: true, exclusive: false, autoDelete: false }, ...BINDING },
  }
}

function exchange(name: string, type: 'topic' | 'direct' | 'fanout') {
  return {
    amqp: { is: 'routingKey', exchange: { name, type, durable: true, autoDelete: false }, ...BINDING },
  }
}

function messagesOf(names: readonly string[]) {
  return Object.fromEntries(names.map((name) => [name, ref('components', 'messages', name)]))
}

const PROJECT = { project_id: { description: 'The CloudDC project', examples: ['project-1'] } }

const channels = {
  requests: {
    address: REQUEST_QUEUE,
    title: 'The queue of requests',
    description:
      `A quorum queue, without further arguments. Publish to it through the default exchange, or through the exchange ` +
      `${REQUEST_EXCHANGE}. The service declares it; a producer may, alike.`,
    messages: messagesOf(REQUEST_MESSAGES),
    bindings: queue(REQUEST_QUEUE),
  },
  requestExchange: {
    address: REQUEST_ROUTING_KEY,
    title: 'The exchange of requests',
    description: `Leads to the queue ${REQUEST_QUEUE}.`,
    messages: messagesOf(REQUEST_MESSAGES),
    bindings: exchange(REQUEST_EXCHANGE, 'topic'),
  },
  deadLetters: {
    address: DEAD_LETTER_QUEUE,
    title: 'The dead letters',
    description: `A quorum queue behind the fanout exchange ${DEAD_LETTER_EXCHANGE}: messages that were not accepted.`,
    messages: messagesOf(['DeadLetter', 'SealedLetter']),
    bindings: queue(DEAD_LETTER_QUEUE),
  },
  ...Object.fromEntries(
    EVENT_KINDS.map((kind) => [
      kind,
      {
        address: `${kind}.{project_id}`,
        title: `Events ${kind}`,
        description:
          'Bind a durable queue of your own with this routing key, or with `#` in place of the project.',
        parameters: PROJECT,
        messages: messagesOf([eventMessage(kind)]),
        bindings: exchange(EVENT_EXCHANGE, 'topic'),
      },
    ]),
  ),
  replay: {
    address: '{target}',
    title: 'Events that are sent again',
    description: 'Bind your queue with a key of your choice, and ask for a replay to that key.',
    parameters: {
      target: { description: 'The key that you have bound your queue with', examples: ['my-key'] },
    },
    messages: messagesOf(REPLAYED_KINDS.map(eventMessage)),
    bindings: exchange(REPLAY_EXCHANGE, 'direct'),
  },
}

/** What the service does: it takes (receive) or publishes (send) the messages of a channel. */
function operation(action: 'receive' | 'send', channel: string, summary: string) {
  const names = Object.keys(channels[channel as keyof typeof channels].messages)
  const amqp = action === 'receive' ? { ack: true } : { deliveryMode: 2, mandatory: true }
  return {
    action,
    channel: ref('channels', channel),
    summary,
    messages: names.map((name) => ref('channels', channel, 'messages', name)),
    bindings: { amqp: { ...amqp, ...BINDING } },
  }
}

const operations = {
  receiveRequests: operation('receive', 'requests', 'Takes in orders; a copy of one does nothing'),
  receiveRequestsByExchange: operation('receive', 'requestExchange', 'The same, through an exchange'),
  sendDeadLetters: operation('send', 'deadLetters', 'Puts aside what it cannot accept, with the reason'),
  ...Object.fromEntries(
    EVENT_KINDS.map((kind) => [
      `send${nameOf(kind)}`,
      operation('send', kind, 'At least once, those of a request in order'),
    ]),
  ),
  sendReplay: operation('send', 'replay', 'On demand, with the ids of the first time'),
}

function messages() {
  const payload = (name: string) => ref('components', 'schemas', name)
  return {
    ProvisionRequest: {
      name: 'ProvisionRequest',
      title: 'An order of servers',
      summary: 'Publish it persistent and mandatory, with a confirm; it counts as sent once that has come',
      contentType: 'application/json',
      headers: REQUEST_HEADERS,
      payload: payload('ProvisionRequest'),
    },
    ProvisionRequestCloudEvent: {
      name: 'ProvisionRequestCloudEvent',
      title: 'An order of servers in a CloudEvent',
      contentType: EVENT_CONTENT_TYPE,
      headers: REQUEST_HEADERS,
      payload: payload('ProvisionRequestCloudEvent'),
    },
    DeadLetter: {
      name: 'DeadLetter',
      title: 'A message that is valid in itself, and was not accepted',
      summary: 'As it came, but for its password, which is sealed (spec.password_jwe)',
      headers: DEAD_LETTER_HEADERS,
      payload: {},
    },
    SealedLetter: {
      name: 'SealedLetter',
      title: 'Any other message that was not accepted',
      summary:
        'A JWE in compact form that only the service opens. Published again, it is judged by what is inside',
      contentType: SEALED_TYPE,
      headers: DEAD_LETTER_HEADERS,
      payload: { type: 'string', description: 'Its header `cty` is the content type of what is inside' },
    },
    ...Object.fromEntries(
      EVENT_KINDS.map((kind) => {
        const { title, description } = event(kind).root
        const bindings = { amqp: { messageType: `provisioner.${kind}`, ...BINDING } }
        return [
          title,
          {
            name: title,
            title: description,
            contentType: EVENT_CONTENT_TYPE,
            payload: payload(String(title)),
            bindings,
          },
        ]
      }),
    ),
  }
}

export function asyncapiDocument() {
  const schemas = merge(
    allNamed(requestMessage()),
    allNamed(requestCloudEvent()),
    ...EVENT_KINDS.map(event).map(allNamed),
  )
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'CloudDC provisioner',
      version: '1',
      description:
        'Orders of bare-metal servers come in through RabbitMQ, and events go out. What became of an order can be asked ' +
        'over HTTP, too: openapi.json.',
    },
    defaultContentType: 'application/json',
    channels,
    operations,
    components: { messages: messages(), schemas: withLocalRefs(schemas) },
  }
}

/** The schemas, referring to each other where they stand here. */
function withLocalRefs(schemas: Record<string, JsonSchema>): unknown {
  return JSON.parse(JSON.stringify(schemas).replaceAll('"#/$defs/', '"#/components/schemas/'))
}
