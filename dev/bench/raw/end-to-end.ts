import { type ConfirmChannel, connect } from 'amqplib'
import pg from 'pg'
import { Pool } from 'undici'
import { v7 as uuidv7 } from 'uuid'
import { type Batcher, createBatcher } from '../../../src/runtime/batcher.ts'
import { createCalls } from './calls.ts'
import { consumeBatches, insertRaw, RAW_TABLE, type RawRequest } from './requests.ts'

const CALLS_AT_ONCE = 32
const SET_INSTANCE = `
UPDATE raw_request r SET instance_id = u.instance_id
FROM unnest($1::uuid[], $2::text[]) AS u(id, instance_id)
WHERE r.id = u.id`
const SET_RUNNING = `
UPDATE raw_request r SET running = true
FROM unnest($1::uuid[]) AS u(id)
WHERE r.id = u.id`

type Created = RawRequest & { instanceId: string }

/**
 * The whole way: consume and insert in batches, call over kept connections, store the instances in batches, list a
 * hundred at once, store in batches that they run. The service's four events of each request are published with
 * confirms in flight, each after the write it tells of; with RAW_EVENTS_PER_REQUEST=1 only the last of them.
 */
export async function runRawEndToEnd(environment: NodeJS.ProcessEnv): Promise<void> {
  const pool = new pg.Pool({ connectionString: environment.DATABASE_URL, max: 8 })
  await pool.query(RAW_TABLE)
  const [consuming, publishing] = await Promise.all([
    connect(environment.AMQP_URL ?? ''),
    connect(environment.AMQP_URL ?? ''),
  ])
  const channel = await consuming.createChannel()
  const events = await publishing.createConfirmChannel()
  const http = new Pool(environment.UPSTREAM_URL ?? '', { connections: CALLS_AT_ONCE, pipelining: 1 })
  const calls = createCalls({ http, atOnce: CALLS_AT_ONCE })

  const publish = eventPublisher(events, environment.RAW_EVENTS_PER_REQUEST !== '1')

  const running = createBatcher<Created, void>({
    maxSize: 500,
    concurrency: 2,
    flush: async (batch) => {
      await pool.query({ name: 'running', text: SET_RUNNING, values: [batch.map((one) => one.id)] })
      for (const one of batch) {
        const at = new Date()
        const { instanceId, spec } = one
        const server = { name: spec.name, server_id: `server-${instanceId}`, running_at: at }
        publish('instance.running', one, { instance_id: instanceId, ...server }, instanceId)
        const counts = { min: 1, max: 1, created: 1, running: 1, failed: 0 }
        publish('request.completed', one, { state: 'running', counts, error: null })
      }
      return batch.map(() => undefined)
    },
  })

  const listers = new Map<string, Batcher<Created, void>>()
  const listerOf = (projectId: string) => {
    const known = listers.get(projectId)
    if (known !== undefined) return known
    const lister = createBatcher<Created, void>({
      maxSize: 100,
      concurrency: 1,
      flush: async (batch) => {
        const states = await calls.list(
          projectId,
          batch.map((one) => one.instanceId),
        )
        for (const one of batch) if (states.get(one.instanceId) === 'running') void running.add(one)
        return batch.map(() => undefined)
      },
    })
    listers.set(projectId, lister)
    return lister
  }

  const created = createBatcher<Created, void>({
    maxSize: 500,
    concurrency: 2,
    flush: async (batch) => {
      const values = [batch.map((one) => one.id), batch.map((one) => one.instanceId)]
      await pool.query({ name: 'created', text: SET_INSTANCE, values })
      for (const one of batch) {
        publish('request.dispatched', one, { instance_ids: [one.instanceId], attempt: 1 })
        void listerOf(one.projectId).add(one)
      }
      return batch.map(() => undefined)
    },
  })

  await consumeBatches({
    channel,
    prefetch: 2000,
    maxSize: 500,
    concurrency: 2,
    store: async (messages) => {
      const rows = messages.map(({ content }) => {
        const order = JSON.parse(content.toString()) as {
          project_id: string
          request_id: string
          spec: { name: string }
        }
        return { id: uuidv7(), projectId: order.project_id, requestId: order.request_id, spec: order.spec }
      })
      await insertRaw(pool, rows)
      for (const row of rows) {
        publish('request.accepted', row, { state: 'queued' })
        void calls.create(row.projectId, row.spec).then((instanceId) => created.add({ ...row, instanceId }))
      }
    },
  })
}

type Publish = (kind: string, request: RawRequest, data: object, subject?: string) => void

/** Publishes events of the service's shape; of all kinds, or only that an instance runs. */
function eventPublisher(channel: ConfirmChannel, allKinds: boolean): Publish {
  return (kind, { projectId, requestId }, data, subject) => {
    if (!allKinds && kind !== 'instance.running') return
    const id = uuidv7()
    const type = `provisioner.${kind}`
    const body = Buffer.from(
      JSON.stringify({
        specversion: '1.0',
        id,
        type,
        source: `/v1/${projectId}/provision-requests/${requestId}`,
        subject,
        time: new Date(),
        datacontenttype: 'application/json',
        dataschema: `urn:provisioner:${kind}:1`,
        data: { project_id: projectId, request_id: requestId, ...data },
      }),
    )
    const properties = {
      persistent: true,
      mandatory: true,
      messageId: id,
      type,
      contentType: 'application/cloudevents+json',
    }
    channel.publish('provision.events', `${kind}.${projectId}`, body, properties, () => undefined)
  }
}
