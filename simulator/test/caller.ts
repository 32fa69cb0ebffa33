import { onTestFinished } from 'vitest'
import type { SimulatorOptions } from '../options.ts'
import { createSimulator, type Simulator } from '../simulator.ts'

export type Answer = {
  status: number
  headers: Headers
  text: string
  /** The parsed body, or undefined when it is no JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: the tests look into answers of every shape
  json: any
}

export const goodBody = {
  name: 'web',
  image_id: 'image',
  vpc_id: 'vpc',
  network_interfaces: [{ subnet_id: 'subnet' }],
  password: 'Abcdef1!',
}

export type Caller = {
  simulator: Simulator
  /** Moves the simulator's clock, which otherwise stands still. */
  advance: (ms: number) => void
  /** A string body is sent as it is, anything else as JSON. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  admin(method: string, path: string, body?: unknown): Promise<Answer>
  /** batch-create in project `p`. */
  create(members?: object): Promise<Answer>
  /** The ids of a batch-create that must succeed. */
  createIds(members?: object): Promise<string[]>
  statusOf(id: string): Promise<Answer>
}

/** A simulator of its own for one test, on a clock that the test moves; closed when the test is over. */
export async function startCaller(options: SimulatorOptions = {}): Promise<Caller> {
  let now = 1_800_000_000_000
  const simulator = await createSimulator({ ...options, clock: () => now })
  onTestFinished(() => simulator.close())
  const call: Caller['call'] = (method, path, body, headers = {}) =>
    send(simulator.url + path, method, body, headers)
  const create: Caller['create'] = (members = {}) =>
    call('POST', '/v1/p/instances/batch-create', { ...goodBody, ...members })
  return {
    simulator,
    advance: (ms) => {
      now += ms
    },
    call,
    admin: (method, path, body) => send(simulator.adminUrl + path, method, body, {}),
    create,
    createIds: async (members) => {
      const answer = await create(members)
      if (answer.status !== 202) throw new Error(`batch-create: ${answer.status} ${answer.text}`)
      return answer.json.instances.map(({ id }: { id: string }) => id)
    },
    statusOf: (id) => call('GET', `/v1/p/instances/${id}/status`),
  }
}

async function send(
  url: string,
  method: string,
  body: unknown,
  headers: Record<string, string>,
): Promise<Answer> {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
  const response = await fetch(url, { method, headers, ...(text === undefined ? {} : { body: text }) })
  const answer = await response.text()
  return { status: response.status, headers: response.headers, text: answer, json: parse(answer) }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
