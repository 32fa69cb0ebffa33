import { connect } from 'amqplib'
import { v7 as uuidv7 } from 'uuid'

const WINDOW = 2000

/** Publishes RAW_EVENTS events out of memory with confirms in flight, and nothing else. */
export async function runRawPublish(environment: NodeJS.ProcessEnv): Promise<void> {
  const count = Number(environment.RAW_EVENTS)
  const broker = await connect(environment.AMQP_URL ?? '')
  const channel = await broker.createConfirmChannel()
  let inFlight = 0
  let published = 0
  const pump = () => {
    while (published < count && inFlight < WINDOW) {
      published += 1
      inFlight += 1
      const kind = published % 2 === 1 ? 'instance.running' : 'request.completed'
      const type = `provisioner.${kind}`
      channel.publish(
        'provision.events',
        `${kind}.project-1`,
        eventBody(kind, Math.ceil(published / 2)),
        { persistent: true, type },
        () => {
          inFlight -= 1
          if (inFlight < WINDOW / 2) pump()
        },
      )
    }
  }
  pump()
}

/** About as large as the service's own. */
function eventBody(kind: 'instance.running' | 'request.completed', number: number): Buffer {
  const id = uuidv7()
  const ids = { project_id: 'project-1', request_id: `order-${number}` }
  const data =
    kind === 'instance.running'
      ? {
          ...ids,
          instance_id: id,
          name: `n-${number}`,
          server_id: `server-${id}`,
          network_interfaces: [{ subnet_id: 'subnet-1', ipv4_address: '10.0.0.1' }],
          image_id: 'image-1',
          running_at: new Date().toISOString(),
        }
      : {
          ...ids,
          state: 'running',
          counts: { min: 1, max: 1, created: 1, running: 1, failed: 0 },
          error: null,
        }
  return Buffer.from(
    JSON.stringify({
      specversion: '1.0',
      id,
      type: `provisioner.${kind}`,
      source: `/v1/project-1/provision-requests/order-${number}`,
      ...(kind === 'instance.running' ? { subject: id } : {}),
      time: new Date().toISOString(),
      datacontenttype: 'application/json',
      dataschema: `urn:provisioner:${kind}:1`,
      data,
    }),
  )
}
