import { type BackingServer, type BrokerServer, NotOursError } from './server.ts'

function refuse(what: string): Pick<BackingServer, 'kill' | 'restart' | 'stop'> {
  const notOurs = () => Promise.reject(new NotOursError(what))
  return { kill: notOurs, restart: notOurs, stop: async () => undefined }
}

export function givenPostgres(url: string): BackingServer {
  return { kind: 'given', url, ...refuse('PostgreSQL') }
}

/** Virtual hosts are made through the management API, by default on port 15672 of the same host. */
export function givenRabbitmq(url: string, managementUrl?: string): BrokerServer {
  const { hostname } = new URL(url)
  return {
    kind: 'given',
    url,
    virtualHosts: { from: 'management', url, managementUrl: managementUrl ?? `http://${hostname}:15672` },
    setMemoryAlarm: () => Promise.reject(new NotOursError('RabbitMQ')),
    ...refuse('RabbitMQ'),
  }
}
