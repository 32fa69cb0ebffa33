import type { ChannelModel, ConfirmChannel } from 'amqplib'

const WINDOW = 2000

/** The `number`th order of a bench, about 450 bytes; its name is unique, so that its call can be told upstream. */
export function orderMessage({
  number,
  projects,
  projectOf = (n) => `project-${n % projects}`,
  count = 1,
}: {
  number: number
  projects: number
  projectOf?: (number: number) => string
  /** Instances. */
  count?: number
}): Buffer {
  return Buffer.from(
    JSON.stringify({
      request_id: `order-${number}`,
      project_id: projectOf(number),
      spec: {
        name: `n-${number}`,
        image_id: '5f2b1d6e-0c4a-4b7e-9a51-7d1c3e8f2a60',
        vpc_id: '0b9f3c52-8a1d-4c67-b3e2-91f4d6a7c805',
        network_interfaces: [{ subnet_id: 'c7d8e9f0-1a2b-4c3d-8e4f-5a6b7c8d9e0f' }],
        password: `Be-nch${String(number).padStart(8, '0')}`,
        metadata: { team: 'platform', purpose: 'measurement' },
        min_count: count,
        max_count: count,
      },
    }),
  )
}

const PROJECTS = 20

/** `count` orders of one instance each, over 20 projects in turn. */
export function* orders(firstNumber: number, count: number): Generator<Buffer> {
  for (let number = firstNumber; number < firstNumber + count; number += 1) {
    yield orderMessage({ number, projects: PROJECTS })
  }
}

/** Publishes bodies to the request queue as fast as the broker confirms; resolves when all are confirmed. */
export async function publishAll(broker: ChannelModel, bodies: Iterable<Buffer>): Promise<void> {
  const channel = await broker.createConfirmChannel()
  const publish = createPublish(channel)
  for (const body of bodies) await publish(body)
  await channel.waitForConfirms()
  await channel.close()
}

/** Resolves as soon as there is room for another message; confirms are awaited elsewhere. */
export function createPublish(channel: ConfirmChannel): (body: Buffer) => Promise<void> | undefined {
  let inFlight = 0
  let onRoom: (() => void) | undefined
  return (body) => {
    inFlight += 1
    channel.publish(
      '',
      'provision.requests',
      body,
      { persistent: true, contentType: 'application/json' },
      () => {
        inFlight -= 1
        if (inFlight >= WINDOW || onRoom === undefined) return
        onRoom()
        onRoom = undefined
      },
    )
    if (inFlight < WINDOW) return undefined
    return new Promise((resolve) => {
      onRoom = resolve
    })
  }
}
