import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { addBoots, curveOf } from '../../src/forecast/boot-curve.ts'
import type { ReadinessLimits } from '../../src/readiness/observation.ts'
import {
  createReadinessPoller,
  POLLS_AT_ONCE,
  type ReadinessPollerOptions,
} from '../../src/readiness/readiness-poller.ts'
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.ts'
import { createClients } from '../support/clouddc-client.ts'
import { eventually } from '../support/eventually.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { placePending, readBucket, setBucket } from './statement-world.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

/** A poller, and a CloudDC of which the test says what it answers; returns the lines it logs. */
async function startPoller(
  answer: (call: Call, response: ServerResponse) => void,
  {
    pollMaxMs = 50,
    metrics = createMetrics(),
    learnBoot = () => undefined,
    curveOf = () => null,
    ...limits
  }: Partial<ReadinessLimits> &
    Pick<ReadinessPollerOptions, 'learnBoot' | 'curveOf'> & { pollMaxMs?: number; metrics?: Metrics } = {},
): Promise<string[]> {
  const server = createServer((request, response) => answer(callOf(request), response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const clients = createClients()
  const lines: string[] = []
  const poller = createReadinessPoller({
    database,
    client: clients.open(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      callTimeoutMs: 60_000,
      connections: POLLS_AT_ONCE,
    }),
    pollMinMs: 50,
    pollMaxMs,
    limits: { provisionTimeoutMs: 3_600_000, visibilityMs: 0, serverWaitMs: 50, ...limits },
    learnBoot,
    curveOf,
    readinessShare: 0.5,
    holdsPassword: async (text, { requestId }) => text.includes(`password of ${requestId}`),
    metrics,
    logger: pino({ level: 'info' }, { write: (line: string) => lines.push(line) }),
    onEvents: () => undefined,
  })
  onTestFinished(async () => {
    server.closeAllConnections()
    await poller.stop()
    await clients.closeAll()
    server.close()
  })
  await poller.start()
  return lines
}

interface Call {
  projectId: string
  /** The ids a listing asks for; null for a status call. */
  listed: string[] | null
  /** The id a status call asks for. */
  instanceId: string
}

function callOf(request: IncomingMessage): Call {
  const url = new URL(request.url ?? '', 'http://clouddc')
  const [, , projectId = '', , instanceId = ''] = url.pathname.split('/')
  const listed = url.searchParams.get('instance_id')?.split(',') ?? null
  return { projectId, listed, instanceId }
}

const reply = (response: ServerResponse, status: number, body: unknown = {}) => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

const list = (response: ServerResponse, ids: readonly string[], state = 'running') =>
  reply(response, 200, { instances: ids.map((id) => ({ id, state })) })

const statesOf = async (projectId = 'p') =>
  Object.fromEntries(
    (await database.prisma.instance.findMany({ where: { projectId } })).map((row) => [row.id, row.state]),
  )

describe('a poll', () => {
  test('that finds nothing new writes nothing', async () => {
    await placePending(database, { ids: ['i-1', 'i-2'] })
    let listings = 0
    await startPoller((call, response) => {
      listings += 1
      list(response, call.listed ?? [], 'pending')
    })
    const versions = () =>
      database.query<{ id: string; xmin: string }>('SELECT id, xmin::text FROM instance ORDER BY id')
    await eventually(() => expect(listings).toBeGreaterThan(1))
    const first = await versions()
    await eventually(() => expect(listings).toBeGreaterThan(3))
    expect(await versions()).toEqual(first)
  })

  test('counts its tokens, those of single instances as well', async () => {
    await placePending(database, { ids: ['i-1'] })
    const metrics = createMetrics()
    const made = { list: 0, single: 0 }
    await startPoller(
      (call, response) => {
        made[call.listed === null ? 'single' : 'list'] += 1
        if (call.listed === null) reply(response, 200, { state: 'pending' })
        else list(response, [])
      },
      { metrics },
    )
    await eventually(() => expect(made.single).toBeGreaterThan(2))
    const { list: lists, single } = { ...made }
    // A call that comes too late after its token is not made.
    const [taken] = (await metrics.dispatch.tokensTaken.get()).values
    expect(taken?.value).toBeGreaterThanOrEqual(lists + single)
  })

  test('records all that is answered, although the status of one instance cannot be read', async () => {
    await placePending(database, { ids: ['i-1', 'i-2', 'i-faulty', 'i-gone', 'i-hidden'] })
    await startPoller((call, response) => {
      if (call.listed !== null) list(response, ['i-1', 'i-2'])
      else if (call.instanceId === 'i-faulty') reply(response, 500)
      else if (call.instanceId === 'i-gone') reply(response, 404, { error_code: 'iMetal.0404' })
      else reply(response, 200, { state: 'running' })
    })
    await eventually(async () =>
      expect(await statesOf()).toEqual({
        'i-1': 'running',
        'i-2': 'running',
        'i-faulty': 'pending',
        'i-gone': 'failed',
        'i-hidden': 'running',
      }),
    )
  })

  test('keeps what CloudDC says of a failure to itself where it quotes the password', async () => {
    const id = await placePending(database, { ids: ['i-plain', 'i-quotes', 'i-code', 'i-long'] })
    const { requestId } = await database.prisma.provisionRequest.findUniqueOrThrow({ where: { id } })
    const secret = `password of ${requestId}`
    const errors = {
      'i-plain': { error_code: 'E1', error_msg: 'no power' },
      'i-quotes': { error_code: 'E2', error_msg: `bad ${secret}!` },
      'i-code': { error_code: secret, error_msg: 'x' },
      'i-long': { error_code: 'E3', error_msg: `${'-'.repeat(990)}${secret}` },
    }
    await startPoller((_, response) => {
      const instances = Object.entries(errors).map(([instanceId, error]) => ({
        id: instanceId,
        state: 'error',
        error,
      }))
      reply(response, 200, { instances })
    })
    await eventually(async () => {
      const rows = await database.prisma.instance.findMany({
        where: { state: 'failed' },
        orderBy: { id: 'asc' },
      })
      const hidden = expect.stringContaining('not shown')
      expect(rows.map((row) => [row.id, row.errorCode, row.errorMessage])).toEqual([
        ['i-code', 'instance_failed', 'x'],
        ['i-long', 'E3', '-'.repeat(844)],
        ['i-plain', 'E1', 'no power'],
        ['i-quotes', 'E2', hidden],
      ])
    })
    // Events are made of these rows.
    const rows = await database.query('SELECT i::text, r::text FROM instance i, provision_request r')
    expect(JSON.stringify(rows)).not.toContain('password of')
  })

  test('waits for the listing to name the server of an instance that runs, whatever it says of it', async () => {
    await placePending(database, { ids: ['i-1', 'i-2'] })
    let statusCalls = 0
    let listings = 0
    await startPoller(
      (call, response) => {
        if (call.listed === null) {
          statusCalls += 1
          return reply(response, 200, { state: 'running' })
        }
        listings += 1
        const image = { id: 'image-1' }
        const network_interfaces = [{ subnet_id: 'n-1', ipv4_address: '10.0.0.1' }]
        const known = { id: 'i-1', state: 'terminated', server_id: 's-1', image, network_interfaces }
        reply(response, 200, { instances: listings > 3 ? [known] : [] })
      },
      { serverWaitMs: 3_600_000, provisionTimeoutMs: 1 },
    )
    await eventually(async () => expect(await statesOf()).toEqual({ 'i-1': 'running', 'i-2': 'pending' }))
    expect(statusCalls).toBe(2)
    expect(await database.prisma.instance.findFirst({ where: { id: 'i-1' } })).toMatchObject({
      serverId: 's-1',
      networkInterfaces: [{ subnet_id: 'n-1', ipv4_address: '10.0.0.1' }],
      imageId: 'image-1',
    })
  })

  test('tells the addresses that are listed once an instance runs, not those of before', async () => {
    await placePending(database, { ids: ['i-1'] })
    let asked = false
    let listings = 0
    await startPoller(
      (call, response) => {
        if (call.listed === null) {
          asked = true
          return reply(response, 200, { state: 'running' })
        }
        const listed = (state: string, ipv4_address?: string) =>
          reply(response, 200, {
            instances: [
              {
                id: 'i-1',
                state,
                server_id: 's-1',
                network_interfaces: [{ subnet_id: 'n-1', ipv4_address }],
              },
            ],
          })
        listings += 1
        if (listings === 1) listed('pending')
        else if (!asked) list(response, [])
        else if (listings === 3) listed('pending')
        else listed('running', '10.0.0.1')
      },
      { serverWaitMs: 3_600_000 },
    )
    await eventually(async () => expect(await statesOf()).toEqual({ 'i-1': 'running' }))
    expect(await database.prisma.instance.findFirst()).toMatchObject({
      networkInterfaces: [{ subnet_id: 'n-1', ipv4_address: '10.0.0.1' }],
    })
  })

  test.each([
    ['unauthorized', 401, { error_code: 'APIGW.0301' }],
    ['forbidden', 403, { error_code: 'iMetal.0004' }],
    ['misconfigured', 404, { error_code: 'APIGW.0101' }],
    ['misconfigured', 404, 'no such page'],
  ])(
    'whose status calls are refused as %s (%i) ends no instance, and closes the bucket',
    async (...refusal) => {
      const [reason, status, body] = refusal
      await placePending(database, { ids: ['i-1'] })
      let refused = true
      await startPoller((call, response) => {
        if (call.listed !== null) list(response, [])
        else if (refused) reply(response, status, body)
        else reply(response, 200, { state: 'running' })
      })
      await eventually(async () => expect((await readBucket(database)).blockedReason).toBe(reason))
      expect(await statesOf()).toEqual({ 'i-1': 'pending' })
      refused = false
      await eventually(async () => {
        await database.query(
          'UPDATE rate_bucket SET blocked_until = now(), due_at = NULL WHERE blocked_until > now()',
        )
        expect(await statesOf()).toEqual({ 'i-1': 'running' })
      })
    },
  )

  test('asks no further when a status call gets no answer', async () => {
    await placePending(database, { ids: ['i-1', 'i-2', 'i-3'] })
    let statusCalls = 0
    let listings = 0
    await startPoller((call, response) => {
      if (call.listed === null) {
        statusCalls += 1
        response.destroy()
      } else {
        listings += 1
        list(response, [])
      }
    })
    await eventually(() => expect(listings).toBeGreaterThan(3))
    expect(statusCalls).toBeLessThanOrEqual(listings)
    expect(new Set(Object.values(await statesOf()))).toEqual(new Set(['pending']))
  })

  test('of a project whose calls hang holds up no other', async () => {
    await placePending(database, { projectId: 'a', count: 1000 })
    await placePending(database, { projectId: 'b', ids: ['i-b'] })
    let polls = 0
    await startPoller((call, response) => {
      if (call.projectId !== 'b') return
      polls += 1
      list(response, call.listed ?? [], polls < 3 ? 'pending' : 'running')
    })
    await eventually(async () => expect(await statesOf('b')).toEqual({ 'i-b': 'running' }))
    expect(new Set(Object.values(await statesOf('a')))).toEqual(new Set(['pending']))
  })

  test('that is answered opens the bucket again that a 429 has closed', async () => {
    await placePending(database, { ids: ['i-1'] })
    let calls = 0
    const metrics = createMetrics()
    await startPoller(
      (_, response) => {
        calls += 1
        if (calls === 1) reply(response.setHeader('retry-after', '60'), 429)
        else list(response, [])
      },
      { metrics },
    )
    await eventually(async () => expect((await readBucket(database)).blockedReason).toBe('throttled'))
    expect(await metrics.registry.metrics()).toContain(
      'provisioner_throttled_calls_total{call="list_instances"} 1',
    )
    await setBucket(database, 'p', { blocked_until: 'now()', due_at: 'NULL' })
    await eventually(async () =>
      expect(await readBucket(database)).toMatchObject({ blockedReason: null, troubles: 0 }),
    )
  })
})

test('projects that fail are one outage in the log, until the last one is well', async () => {
  await placePending(database, { projectId: 'good', ids: ['i-1'] })
  await placePending(database, { projectId: 'bad', ids: ['i-1'] })
  let failures = 0
  let polls = 0
  let repaired = false
  const lines = await startPoller(
    (call, response) => {
      if (call.projectId === 'bad' && !repaired) {
        failures += 1
        reply(response, 500)
      } else {
        polls += 1
        list(response, call.listed ?? [], 'pending')
      }
    },
    // Who has not failed for twice as long is forgotten.
    { pollMaxMs: 60_000 },
  )
  await eventually(() => expect(Math.min(failures, polls)).toBeGreaterThan(5))
  const said = () => lines.map((line) => JSON.parse(line).msg as string)
  expect(said()).toEqual(['readiness polling: failing, will keep trying'])
  repaired = true
  await eventually(() => expect(said().at(-1)).toBe('readiness polling: works again'))
  expect(said()).toHaveLength(2)
})

describe('boot times', () => {
  const launched = (seconds: number) => ({
    state: 'running',
    server_id: 's-1',
    image: { id: 'image-1' },
    created_at: '2026-11-26T10:00:00Z',
    launched_at: new Date(Date.parse('2026-11-26T10:00:00Z') + seconds * 1000).toISOString(),
  })

  test('of instances that run are learned, by image', async () => {
    await placePending(database, { ids: ['i-1', 'i-2'] })
    const learned: unknown[] = []
    await startPoller(
      (call, response) =>
        reply(response, 200, { instances: (call.listed ?? []).map((id) => ({ id, ...launched(4) })) }),
      { learnBoot: (key, bootMs) => learned.push([key, bootMs]) },
    )
    const one = [{ projectId: 'p', imageId: 'image-1' }, 4000]
    await eventually(() => expect(learned).toEqual([one, one]))
  })

  test('that are known set the time of the next poll', async () => {
    await placePending(database, { ids: ['i-1'] })
    const curve = curveOf(
      addBoots(
        [],
        Array.from({ length: 50 }, () => 40_000),
      ),
    )
    await startPoller(
      (call, response) =>
        reply(response, 200, {
          instances: (call.listed ?? []).map((id) => ({ id, state: 'pending', image: { id: 'image-1' } })),
        }),
      { pollMaxMs: 60_000, curveOf: ({ imageId }) => (imageId === 'image-1' ? curve : null) },
    )
    // By growing intervals it would be 75 ms.
    await eventually(async () => {
      const [poll] = await database.query<{ seconds: number }>(
        'SELECT extract(epoch FROM due_at - clock_timestamp())::float8 AS "seconds" FROM poll',
      )
      expect(poll?.seconds).toBeGreaterThan(20)
      expect(poll?.seconds).toBeLessThan(50)
    })
  })

  test('that are not known leave growing intervals', async () => {
    await placePending(database, { ids: ['i-1'] })
    let listings = 0
    await startPoller(
      (call, response) => {
        listings += 1
        list(response, call.listed ?? [], 'pending')
      },
      { pollMaxMs: 200, curveOf: () => null },
    )
    await eventually(() => expect(listings).toBeGreaterThan(3))
  })
})
