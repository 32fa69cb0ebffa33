import { GenericContainer, getContainerRuntimeClient, type StartedTestContainer, Wait } from 'testcontainers'
import { freePort } from './free-port.ts'
import type { BackingServer, BrokerServer } from './server.ts'

const POSTGRES_IMAGE = 'postgres:18'
const RABBITMQ_IMAGE = 'rabbitmq:4-management'

/** Host ports are fixed, so that the URL stays the same over a restart. */
async function startContainer(
  image: string,
  environment: Record<string, string>,
  ports: readonly { container: number; host: number }[],
  ready: RegExp,
  times: number,
  command: string[] = [],
): Promise<StartedTestContainer> {
  const container = new GenericContainer(image)
    .withEnvironment(environment)
    .withExposedPorts(...ports)
    .withWaitStrategy(Wait.forLogMessage(ready, times))
    .withStartupTimeout(300_000)
  return (command.length > 0 ? container.withCommand(command) : container).start()
}

function controls(container: StartedTestContainer): Pick<BackingServer, 'kill' | 'restart' | 'stop'> {
  return {
    kill: async () => {
      const client = await getContainerRuntimeClient()
      await client.container.getById(container.getId()).kill()
    },
    restart: () => container.restart(),
    stop: async () => {
      await container.stop()
    },
  }
}

export async function startDockerPostgres({ durable }: { durable: boolean }): Promise<BackingServer> {
  const host = await freePort()
  const container = await startContainer(
    POSTGRES_IMAGE,
    { POSTGRES_PASSWORD: 'clouddc' },
    [{ container: 5432, host }],
    /database system is ready to accept connections/,
    2,
    ['postgres', '-c', 'max_connections=300', ...(durable ? [] : ['-c', 'fsync=off'])],
  )
  return {
    kind: 'docker',
    url: `postgresql://postgres:clouddc@${container.getHost()}:${host}/postgres`,
    ...controls(container),
  }
}

export async function startDockerRabbitmq(): Promise<BrokerServer> {
  const host = await freePort()
  const management = await freePort()
  const container = await startContainer(
    RABBITMQ_IMAGE,
    { RABBITMQ_DEFAULT_USER: 'clouddc', RABBITMQ_DEFAULT_PASS: 'clouddc' },
    [
      { container: 5672, host },
      { container: 15672, host: management },
    ],
    /Server startup complete/,
    1,
  )
  const url = `amqp://clouddc:clouddc@${container.getHost()}:${host}`
  return {
    kind: 'docker',
    url,
    virtualHosts: {
      from: 'management',
      url,
      managementUrl: `http://${container.getHost()}:${management}`,
    },
    setMemoryAlarm: async (raised) => {
      const level = raised ? ['absolute', '1'] : ['0.4']
      await container.exec(['rabbitmqctl', 'set_vm_memory_high_watermark', ...level])
    },
    ...controls(container),
  }
}
