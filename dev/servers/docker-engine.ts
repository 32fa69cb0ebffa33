import { existsSync } from 'node:fs'
import { request } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'

const PING_TIMEOUT_MS = 800

/** Whether a Docker engine answers, decided within a second. */
export async function dockerAnswers(environment: NodeJS.ProcessEnv): Promise<boolean> {
  const host = environment.DOCKER_HOST
  if (host !== undefined && !host.startsWith('unix://')) {
    const { hostname, port } = new URL(host)
    return ping({ host: hostname, port: Number(port) || 2375 })
  }
  const sockets = host
    ? [host.slice('unix://'.length)]
    : [
        '/var/run/docker.sock',
        join(homedir(), '.docker/run/docker.sock'),
        join(environment.XDG_RUNTIME_DIR ?? '/nonexistent', 'docker.sock'),
      ]
  for (const socketPath of sockets) {
    if (existsSync(socketPath) && (await ping({ socketPath }))) return true
  }
  return false
}

/** An engine behind TLS answers plain HTTP with 400: it is there, and testcontainers knows how to talk to it. */
function ping(where: { socketPath: string } | { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request({ ...where, path: '/_ping', timeout: PING_TIMEOUT_MS }, (response) => {
      response.resume()
      resolve(response.statusCode !== undefined)
    })
    call.on('timeout', () => call.destroy())
    call.on('error', () => resolve(false))
    call.end()
  })
}
