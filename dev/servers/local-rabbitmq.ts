import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { connect } from 'amqplib'
import { freePort } from './free-port.ts'
import { findEpmd, findRabbitmqServer } from './rabbitmq-installation.ts'
import type { RunFolder, ServerProcess } from './run-folder.ts'
import type { BrokerServer, ServerTls } from './server.ts'
import { createTlsFolder, type TlsFolder } from './tls-folder.ts'
import { pooledName } from './virtual-hosts.ts'
import { waitUntil } from './wait-until.ts'

const START_TIMEOUT_MS = 120_000

interface Ports {
  amqp: number
  amqps: number
  distribution: number
  epmd: number
}

/** A private RabbitMQ node from the installed package, with its own epmd, on 127.0.0.1 only. */
export async function startLocalRabbitmq({
  folder,
  virtualHosts,
  log,
  tls,
}: {
  folder: RunFolder
  /** How many there are to choose from. */
  virtualHosts: number
  /** Then there is an encrypted port besides the other, which asks everybody for a certificate. */
  tls?: ServerTls | undefined
  log: (line: string) => void
}): Promise<BrokerServer> {
  const script = await findRabbitmqServer(log)
  const home = join(folder.path, 'rabbitmq')
  const claims = join(home, 'claims')
  mkdirSync(claims, { recursive: true })
  const password = randomBytes(12).toString('hex')
  const definitions = join(home, 'definitions.json')
  writeFileSync(definitions, JSON.stringify(describeVirtualHosts(password, virtualHosts)))
  writeFileSync(join(home, 'plugins'), '[].')

  const shown = tls && createTlsFolder(join(home, 'tls'), tls)
  let ports = await choosePorts()
  let epmd: ServerProcess | undefined
  let node: ServerProcess | undefined
  const url = () => `amqp://clouddc:${password}@127.0.0.1:${ports.amqp}`
  const environment = () => nodeEnvironment(home, ports)

  const launch = async () => {
    writeFileSync(join(home, 'rabbitmq.conf'), configuration(ports, definitions, shown))
    if (!epmd?.isRunning()) epmd = await startEpmd(folder, ports.epmd)
    const started = folder.start({
      name: 'rabbitmq-server',
      command: script,
      args: [],
      env: environment(),
      endSignal: 'KILL',
    })
    node = started
    await waitUntil(() => connectOnce(`${url()}/${pooledName(virtualHosts - 1)}`), {
      what: 'RabbitMQ did not start',
      timeoutMs: START_TIMEOUT_MS,
      givenUp: () => (started.isRunning() ? undefined : `it ended\n${started.logTail()}`),
    })
  }

  try {
    await launch()
  } catch (error) {
    if (node?.isRunning()) throw error
    // Most likely somebody else took one of the ports in the meantime.
    await epmd?.end('SIGKILL')
    ports = await choosePorts()
    await launch()
  }

  const control = async (...args: string[]) => {
    await promisify(execFile)(join(dirname(script), 'rabbitmqctl'), args, { env: environment(), cwd: home })
  }
  const stopNode = () => node?.end('SIGTERM', 20_000)
  return {
    kind: 'local',
    url: url(),
    ...(shown === undefined
      ? {}
      : {
          tlsUrl: `amqps://clouddc:${password}@127.0.0.1:${ports.amqps}`,
          useCertificate: shown.write,
        }),
    virtualHosts: { from: 'pool', url: url(), size: virtualHosts, claims },
    kill: async () => {
      if (!node?.isRunning()) return
      // The server is the script's child; the script waits for it and ends after it.
      process.kill(Number(readFileSync(join(home, 'pid'), 'utf8')), 'SIGKILL')
      await stopNode()
    },
    restart: async () => {
      await stopNode()
      await launch()
    },
    setMemoryAlarm: (raised) =>
      control('set_vm_memory_high_watermark', ...(raised ? ['absolute', '1'] : ['0.4'])),
    stop: async () => {
      await stopNode()
      await epmd?.end('SIGKILL')
    },
  }
}

/** Listening before a node looks for it: otherwise the node starts one of its own, which nobody ends. */
async function startEpmd(folder: RunFolder, port: number): Promise<ServerProcess> {
  const program = findEpmd()
  writeFileSync(join(folder.path, 'epmd'), `${program}\n${port}\n`)
  const epmd = folder.start({
    name: 'epmd',
    command: program,
    args: ['-port', String(port), '-address', '127.0.0.1'],
    endSignal: 'KILL',
  })
  await waitUntil(() => promisify(execFile)(program, ['-port', String(port), '-names']), {
    what: 'epmd did not start',
    timeoutMs: 10_000,
    pollMs: 20,
    givenUp: () => (epmd.isRunning() ? undefined : `it ended\n${epmd.logTail()}`),
  })
  return epmd
}

async function choosePorts(): Promise<Ports> {
  return {
    amqp: await freePort(),
    amqps: await freePort(),
    distribution: await freePort(),
    epmd: await freePort(),
  }
}

function configuration(ports: Ports, definitions: string, tls: TlsFolder | undefined): string {
  const encrypted =
    tls === undefined
      ? []
      : [
          `listeners.ssl.default = 127.0.0.1:${ports.amqps}`,
          `ssl_options.cacertfile = ${tls.caFile}`,
          `ssl_options.certfile = ${tls.certFile}`,
          `ssl_options.keyfile = ${tls.keyFile}`,
          'ssl_options.verify = verify_peer',
          'ssl_options.fail_if_no_peer_cert = true',
        ]
  return [
    `listeners.tcp.default = 127.0.0.1:${ports.amqp}`,
    `load_definitions = ${definitions}`,
    ...encrypted,
    'log.console = false',
    'log.file.level = warning',
    '',
  ].join('\n')
}

function nodeEnvironment(home: string, ports: Ports): NodeJS.ProcessEnv {
  const settings = {
    NODENAME: 'clouddc@localhost',
    NODE_PORT: String(ports.amqp),
    DIST_PORT: String(ports.distribution),
    MNESIA_BASE: join(home, 'mnesia'),
    LOG_BASE: join(home, 'log'),
    PID_FILE: join(home, 'pid'),
    ENABLED_PLUGINS_FILE: join(home, 'plugins'),
    CONFIG_FILE: join(home, 'rabbitmq.conf'),
    ADVANCED_CONFIG_FILE: join(home, 'advanced.config'),
    GENERATED_CONFIG_DIR: join(home, 'config'),
    CONF_ENV_FILE: join(home, 'rabbitmq-env.conf'),
    // Files of TLS are read at each handshake: they may have been replaced.
    SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1} -ssl bypass_pem_cache true',
  }
  return {
    PATH: process.env.PATH,
    LANG: 'C.UTF-8',
    // Holds the node's cookie.
    HOME: home,
    ERL_EPMD_PORT: String(ports.epmd),
    ...Object.fromEntries(Object.entries(settings).map(([name, value]) => [`RABBITMQ_${name}`, value])),
  }
}

function describeVirtualHosts(password: string, count: number): object {
  const names = ['/', ...Array.from({ length: count }, (_, index) => pooledName(index))]
  return {
    users: [{ name: 'clouddc', password, tags: ['administrator'] }],
    vhosts: names.map((name) => ({ name })),
    permissions: names.map((vhost) => ({ user: 'clouddc', vhost, configure: '.*', write: '.*', read: '.*' })),
  }
}

async function connectOnce(url: string): Promise<void> {
  const connection = await connect(url, { timeout: 10_000 })
  connection.on('error', () => undefined)
  await connection.close()
}
