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
      const type = 'provisioner.instance.running'
      const body = eventBody(published)
      channel.publish(
        'provision.events',
        'instance.running.project-1',
        body,
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
export function eventBody(number: number): Buffer {
  const id = uuidv7()
  return Buffer.from(
    JSON.stringify({
      specversion: '1.0',
      id,
      type: 'provisioner.instance.running',
      source: `/v1/project-1/provision-requests/order-${number}`,
      subject: id,
      time: new Date().toISOString(),
      datacontenttype: 'application/json',
      data: {
        project_id: 'project-1',
        request_id: `order-${number}`,
        instance_id: id,
        name: `n-${number}`,
        server_id: `server-${id}`,
        network_interfaces: [{ subnet_id: 'subnet-1', ipv4_address: '10.0.0.1' }],
        image_id: 'image-1',
        running_at: new Date().toISOString(),
      },
    }),
  )
}
