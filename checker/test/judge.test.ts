import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  type MutableEvidence,
  modelRun,
  passwordOf,
  withSealedPassword,
} from '../../test/support/model-run.ts'
import type { LedgerCall } from '../evidence.ts'
import { judge } from '../judge.ts'
import { countViolations, type Invariant } from '../verdict.ts'

/** Takes the first of a list; the model's lists are never empty. */
function first<Item>(items: readonly Item[]): Item {
  const [item] = items
  if (item === undefined) throw new Error('the model has none')
  return item
}

function replace<Item>(items: Item[], index: number, patch: Partial<Item>): void {
  items[index] = { ...(items[index] as Item), ...patch }
}

const eventAt = (evidence: MutableEvidence, kind: string) =>
  evidence.events.findIndex((event) => event.type === `provisioner.${kind}`)

type Change = (evidence: MutableEvidence) => void

const changes: Record<Invariant | 'unexpected', Record<string, Change>> = {
  lost: {
    'a confirmed message without a trace': (evidence) => {
      evidence.requests.shift()
    },
    'a rejected message without its dead letter': (evidence) => {
      evidence.deadLetters.shift()
    },
    'a dead letter with another body': (evidence) => {
      replace(evidence.deadLetters, 0, { body: Buffer.from('{}') })
    },
    'a dead letter whose sealed body had another type': (evidence) => {
      const message = first(evidence.published.filter(({ number }) => number === 12))
      replace(evidence.published, evidence.published.indexOf(message), { contentType: 'text/plain' })
    },
    'a dead letter that lacks more than its password': (evidence) => {
      const message = first(evidence.published.filter(({ number }) => number === 12))
      const body = Buffer.from(`${withSealedPassword(message.body)}`.replace('order-12', 'order-13'))
      replace(evidence.deadLetters, 0, { body, contentType: message.contentType })
    },
    'a dead letter without the message id it had': (evidence) => {
      replace(evidence.deadLetters, 0, { messageId: undefined })
    },
  },
  duplicates: {
    'a second creating call': (evidence) => {
      evidence.calls.push({ ...first(evidence.calls), n: 999, at_ms: 2_000_000, instance_ids: ['another'] })
    },
    'an instance that the service does not know': (evidence) => {
      evidence.instances.shift()
    },
    'an instance that CloudDC never created': (evidence) => {
      evidence.instances.push({ ...first(evidence.instances), id: 'invented' })
    },
    'an instance under the wrong request': (evidence) => {
      replace(evidence.instances, 0, { provisionRequestId: evidence.requests[3]?.id ?? '' })
    },
    'an instance under the wrong attempt': (evidence) => {
      replace(evidence.instances, 0, { attemptId: evidence.attempts[1]?.id ?? '' })
    },
    'an instance with the marker of another attempt': (evidence) => {
      const [made, other] = [evidence.ledgerInstances[0], evidence.ledgerInstances.at(-1)]
      replace(evidence.ledgerInstances, 0, { metadata: other?.metadata ?? made?.metadata ?? {} })
    },
    'an instance with the id of another request in its marker': (evidence) => {
      const [made] = evidence.ledgerInstances
      const marker = made?.metadata['provisioner-attempt']?.replace(/[^/]*$/, 'another') ?? ''
      replace(evidence.ledgerInstances, 0, { metadata: { 'provisioner-attempt': marker } })
    },
    'a call for a request that nobody stored': (evidence) => {
      const call: LedgerCall = first(evidence.calls)
      const asked = { name: 'stranger', min_count: 1, max_count: 1, servers: null }
      evidence.calls.push({ ...call, n: 998, at_ms: 2_000_000, asked })
    },
  },
  unfinished: {
    'a request that still waits': (evidence) => {
      replace(evidence.requests, 0, { state: 'queued', hasPassword: true })
    },
    'a state that the counts do not justify': (evidence) => {
      replace(evidence.requests, 0, { state: 'partially_running' })
    },
    'a refusal that CloudDC never gave': (evidence) => {
      const refused = evidence.calls.findIndex((call) => call.status === 400)
      replace(evidence.calls, refused, { status: 500 })
    },
    'an instance that runs only in the table': (evidence) => {
      replace(evidence.ledgerInstances, 0, { state: 'error' })
    },
    'an end before the deadline': (evidence) => {
      const refused = evidence.requests.findIndex(
        (request) => request.state === 'failed' && request.created === 0,
      )
      replace(evidence.requests, refused, { state: 'expired', deadline: new Date('2100-01-01') })
    },
    'messages left on the queue': (evidence) => {
      evidence.queueDepth = 3
    },
  },
  missing_events: {
    'no request.accepted': (evidence) => {
      evidence.events.splice(eventAt(evidence, 'request.accepted'), 1)
    },
    'no request.rejected': (evidence) => {
      evidence.events.splice(eventAt(evidence, 'request.rejected'), 1)
    },
    'no request.uncertain': (evidence) => {
      const { messageId } = evidence.events[eventAt(evidence, 'request.uncertain')] ?? {}
      evidence.events = evidence.events.filter((event) => event.messageId !== messageId)
    },
    'an instance left out of request.dispatched': (evidence) => {
      const index = eventAt(evidence, 'request.dispatched')
      const body = JSON.parse(evidence.events[index]?.body ?? '{}')
      body.data.instance_ids = ['another']
      replace(evidence.events, index, { body: JSON.stringify(body) })
    },
    'completed before dispatched': (evidence) => {
      const index = eventAt(evidence, 'request.completed')
      evidence.events.unshift(...evidence.events.splice(index, 1))
    },
    'an address that the instance does not have': (evidence) => {
      const index = eventAt(evidence, 'instance.running')
      const body = (evidence.events[index]?.body ?? '').replace('"10.0.', '"10.9.')
      const { messageId } = evidence.events[index] ?? {}
      evidence.events = evidence.events.map((event) =>
        event.messageId === messageId ? { ...event, body } : event,
      )
    },
    'an end dated before what came before it': (evidence) => {
      const { messageId } = evidence.events[eventAt(evidence, 'request.completed')] ?? {}
      evidence.events = evidence.events.map((event) =>
        event.messageId === messageId
          ? { ...event, body: event.body.replace('"time":"1970', '"time":"1969') }
          : event,
      )
    },
    'a routing key of another project': (evidence) => {
      replace(evidence.events, 0, { routingKey: 'request.accepted.elsewhere' })
    },
    'an event that is not persistent': (evidence) => {
      replace(evidence.events, 0, { persistent: false })
    },
    'another correlation id': (evidence) => {
      const { messageId } = first(evidence.events)
      evidence.events = evidence.events.map((event) =>
        event.messageId === messageId ? { ...event, correlationId: 'foreign' } : event,
      )
    },
    'copies of one id that differ': (evidence) => {
      const event = first(evidence.events)
      evidence.events.push({ ...event, body: event.body.replace('"queued"', '"running"') })
    },
    'other counts than the row': (evidence) => {
      const index = eventAt(evidence, 'request.completed')
      replace(evidence.events, index, {
        body: (evidence.events[index]?.body ?? '').replace('"failed":0', '"failed":1'),
      })
    },
  },
  budget_violations: {
    'a burst above the limit': (evidence) => {
      const call = first(evidence.calls)
      for (let extra = 0; extra < 6; extra += 1) {
        evidence.calls.push({ ...call, n: 900 + extra, at_ms: 3_000_000, asked: null, instance_ids: [] })
      }
    },
    'projects that keep the limit only apart from the others of their user': (evidence) => {
      evidence.userLimit = { ...evidence.limit, burst: 1 }
      const { at_ms } = first(evidence.calls)
      for (const call of evidence.calls) call.at_ms = Math.max(call.at_ms, at_ms)
      const one = first(evidence.calls)
      evidence.calls.push({ ...one, n: 997, project: 'another', asked: null, instance_ids: [] })
    },
    'listings and creations that keep the limit only apart': (evidence) => {
      const { project } = first(evidence.calls)
      for (const call of evidence.calls.filter((one) => one.project === project)) {
        evidence.calls.push({
          ...call,
          n: call.n + 500,
          operation: 'ListInstances',
          asked: null,
          instance_ids: [],
        })
      }
    },
  },
  secret_leaks: {
    'a password in a log': (evidence) => {
      evidence.texts.push({ source: 'replica-2.log', text: `... ${passwordOf(4)} ...` })
    },
    'a password in base64 in a table': (evidence) => {
      const text = `7b"x":"${Buffer.from(`{"password":"${passwordOf(4)}"}`).toString('base64')}"`
      evidence.texts.push({ source: 'table outbox_segment', text })
    },
    'a password in hex in a table': (evidence) => {
      evidence.texts.push({
        source: 'table look',
        text: `\\x${Buffer.from(passwordOf(4)).toString('hex')}`,
      })
    },
    'a password in the header of a dead letter': (evidence) => {
      const letter = first(evidence.deadLetters)
      const detail = JSON.stringify([{ path: `spec.${passwordOf(12)}`, message: 'unknown key' }])
      replace(evidence.deadLetters, 0, { headers: { ...letter.headers, 'x-rejection-detail': detail } })
    },
    'a password in the body of a dead letter': (evidence) => {
      const message = first(evidence.published.filter(({ number }) => number === 12))
      replace(evidence.deadLetters, 0, { body: message.body, contentType: message.contentType })
    },
    'a password in an event': (evidence) => {
      const event = first(evidence.events)
      evidence.events.push({ ...event, messageId: 'other', body: `{"note":"${passwordOf(3)}"}` })
    },
    'a sealed password kept after the end': (evidence) => {
      replace(evidence.requests, 0, { hasPassword: true })
    },
  },
  unexpected: {
    'an invalid message that was stored': (evidence) => {
      evidence.requests.push({
        ...first(evidence.requests),
        id: 'invalid',
        projectId: 'project-0',
        requestId: 'order-12',
        name: 'unnamed',
      })
    },
    'a valid message that was rejected': (evidence) => {
      const message = first(evidence.published)
      const letter = first(evidence.deadLetters)
      evidence.deadLetters.push({
        ...letter,
        ...message,
        headers: { ...letter.headers, 'x-message-number': 1 },
      })
    },
    'a dead letter with another code': (evidence) => {
      const letter = first(evidence.deadLetters)
      replace(evidence.deadLetters, 0, { headers: { ...letter.headers, 'x-rejection-code': 'invalid_json' } })
    },
    'a dead letter that nobody published': (evidence) => {
      const letter = first(evidence.deadLetters)
      evidence.deadLetters.push({ ...letter, headers: { ...letter.headers, 'x-message-number': 4711 } })
    },
    'another order than was asked for': (evidence) => {
      const asked = {
        ...(first(evidence.calls).asked ?? { name: '', servers: null }),
        min_count: 1,
        max_count: 100,
      }
      replace(evidence.calls, 0, { asked })
    },
    'an order sent after its deadline': (evidence) => {
      const { name } = first(evidence.requests)
      evidence.published = evidence.published.map((message) =>
        message.order?.name === name
          ? { ...message, order: { ...message.order, deadline: new Date(0) } }
          : message,
      )
    },
    'an API that says another state': (evidence) => {
      const { projectId, requestId } = first(evidence.requests)
      const counts = { min: 2, max: 3, created: 3, running: 3, failed: 0 }
      evidence.statuses.push({ projectId, requestId, state: 'queued', counts, waiting: null, instances: 3 })
    },
    'a refusal of an order that should have worked': (evidence) => {
      const index = evidence.published.findIndex((message) => message.expect.kind === 'refused')
      replace(evidence.published, index, { expect: { kind: 'creates' } })
    },
  },
}

describe.each(Object.entries(changes) as [Invariant | 'unexpected', Record<string, Change>][])(
  'the judge counts as %s',
  (kind, cases) => {
    it.each(Object.entries(cases))('%s', (_, change) => {
      const evidence = modelRun()
      change(evidence)
      const verdict = judge(evidence)
      expect(verdict.ok).toBe(false)
      const found = kind === 'unexpected' ? verdict.unexpected.length : countViolations(verdict)[kind]
      expect(found).toBeGreaterThan(0)
    })
  },
)

describe('the judge allows', () => {
  const expectInOrder = (change: Change, options = {}) => {
    const evidence = modelRun()
    change(evidence)
    expect(judge(evidence, options)).toMatchObject({ ok: true })
  }

  it('an unconfirmed message that never arrived', () => {
    expectInOrder((evidence) => {
      evidence.published.push({
        ...first(evidence.published),
        number: 500,
        requestId: 'gone',
        confirmed: false,
      })
    })
  })

  it('a server that is not named where CloudDC was asked for that instance alone', () => {
    expectInOrder((evidence) => {
      const index = eventAt(evidence, 'instance.running')
      const { messageId } = evidence.events[index] ?? {}
      const instanceId = JSON.parse(evidence.events[index]?.body ?? '{}').subject
      evidence.events = evidence.events.map((event) =>
        event.messageId === messageId
          ? { ...event, body: event.body.replace(/"server_id":"[^"]*"/, '"server_id":null') }
          : event,
      )
      const call = first(evidence.calls)
      const path = `/v1/${call.project}/instances/${instanceId}/status`
      const single = { operation: 'ShowInstanceStatus', path, asked: null, instance_ids: [] }
      evidence.calls.push({ ...call, n: 700, at_ms: 9_000_000, status: 200, ...single })
    })
  })

  /** An instance that CloudDC's answer left out, found after its request had ended. */
  const foundLate = (evidence: MutableEvidence, state: 'running' | 'failed') => {
    const index = evidence.requests.findIndex((request) => request.state === 'running')
    const row = evidence.requests[index]
    const [sibling] = evidence.instances.filter((one) => one.provisionRequestId === row?.id)
    const made = evidence.ledgerInstances.find((one) => one.id === sibling?.id)
    if (row === undefined || sibling === undefined || made === undefined)
      throw new Error('the model has none')
    const id = 'found-late'
    evidence.ledgerInstances.push({ ...made, id, state: state === 'running' ? 'running' : 'error' })
    evidence.calls = evidence.calls.map((call) =>
      call.n === made.call ? { ...call, instance_ids: [...call.instance_ids, id] } : call,
    )
    evidence.instances.push({ ...sibling, id, state, late: true })
    const counts = { created: row.created + 1, [state]: row[state] + 1 }
    replace(evidence.requests, index, counts)
    const of = (event: MutableEvidence['events'][number]) => JSON.parse(event.body).data
    const copy = (kind: string, change: (body: string) => string) => {
      const found = evidence.events.find(
        (event) =>
          event.type === `provisioner.${kind}` &&
          of(event).request_id === row.requestId &&
          of(event).project_id === row.projectId,
      )
      if (found === undefined) throw new Error(`the model has no ${kind}`)
      const messageId = randomUUID()
      const body = change(found.body.replace(found.messageId ?? '', messageId))
      evidence.events.push({ ...found, messageId, body })
    }
    copy('request.dispatched', (body) =>
      body.replace(/"instance_ids":\[[^\]]*\]/, `"instance_ids":["${id}"]`),
    )
    if (state === 'running') {
      copy('instance.running', (body) => {
        const instanceId = JSON.parse(body).subject as string
        const server = JSON.parse(body).data.server_id as string
        return body.replaceAll(instanceId, id).replace(server, made.server_id)
      })
    }
  }

  it('an instance that was found after the end of its request', () => {
    expectInOrder((evidence) => foundLate(evidence, 'running'))
  })

  it('no late instance without its event', () => {
    const evidence = modelRun()
    foundLate(evidence, 'failed')
    expect(judge(evidence).violations.unfinished).toEqual([])
    expect(judge(evidence).violations.missing_events).toMatchObject([
      { message: 'no instance.failed of found-late' },
    ])
  })

  it('a second dead letter of one message, and a copy of an event', () => {
    expectInOrder((evidence) => {
      evidence.deadLetters.push(first(evidence.deadLetters))
      evidence.events.push(first(evidence.events))
    })
  })

  it('either of two conflicting messages to be the dead letter', () => {
    expectInOrder((evidence) => {
      const original = first(evidence.published)
      const name = 'the-other-content'
      const order = { ...(original.order ?? { min: 1, max: 1, servers: null, deadline: null }), name }
      const conflict = { ...original, number: 501, order, expect: { kind: 'conflict' } as const }
      evidence.published.push(conflict)
      const letter = first(evidence.deadLetters)
      const headers = { 'x-message-number': 501, 'x-rejection-code': 'idempotency_conflict' }
      evidence.deadLetters.push({
        ...letter,
        ...conflict,
        body: withSealedPassword(conflict.body),
        headers: { ...letter.headers, ...headers },
      })
      const rejected = evidence.events[eventAt(evidence, 'request.rejected')]
      const body = JSON.parse(rejected?.body ?? '{}')
      const id = '0198170e-4ca7-7ee4-89a7-fa631843920b'
      evidence.events.push({
        ...(rejected ?? first(evidence.events)),
        messageId: id,
        routingKey: `request.rejected.${original.projectId}`,
        body: JSON.stringify({
          ...body,
          id,
          source: `/v1/${original.projectId}/provision-requests/${original.requestId}`,
          data: {
            ...body.data,
            project_id: original.projectId,
            request_id: original.requestId,
            code: 'idempotency_conflict',
          },
        }),
      })
    })
  })

  it('a request that waits and says so, where the end is not demanded', () => {
    expectInOrder(
      (evidence) => {
        const index = evidence.requests.findIndex(
          (request) => request.state === 'failed' && request.created === 0,
        )
        replace(evidence.requests, index, {
          state: 'queued',
          errorCode: null,
          waiting: { reason: 'retry', until: new Date() },
        })
        evidence.events = evidence.events.filter((event) => !event.body.includes('too few servers'))
        evidence.published = evidence.published.map((message) =>
          message.expect.kind === 'refused' ? { ...message, expect: { kind: 'open' } } : message,
        )
      },
      { demandTerminal: false },
    )
  })
})
