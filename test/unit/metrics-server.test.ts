import { connect } from 'node:net'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { createMetricsServer } from '../../src/api/metrics-server.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { accessBy } from '../support/access.ts'
import { setUpApi } from '../support/api-world.ts'

async function start() {
  const metrics = createMetrics()
  const logger = pino({ level: 'silent' })
  const server = createMetricsServer({ host: '127.0.0.1', port: 0, metrics, logger })
  onTestFinished(() => server.stop())
  await server.start()
  return server
}

test('a port of its own serves metrics to everybody, and nothing else', async () => {
  const server = await start()
  const reply = await fetch(`${server.url()}/metrics`)
  expect(reply.status).toBe(200)
  expect(await reply.text()).toContain('provisioner_')
  for (const path of ['/healthz', '/v1/p/provision-requests', '/docs', '/'])
    expect((await fetch(server.url() + path)).status).toBe(404)
  const rebound = connect(Number(new URL(server.url()).port), '127.0.0.1')
  rebound.write('GET /metrics HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n')
  let text = ''
  for await (const chunk of rebound) text += String(chunk)
  expect(text).toMatch(/^HTTP\/1\.1 403/)
})

test('it stops at once, early or twice', async () => {
  const server = await start()
  await fetch(`${server.url()}/metrics`)
  await Promise.all([server.stop(), server.stop()])
  const never = createMetricsServer({
    host: '127.0.0.1',
    port: 0,
    metrics: createMetrics(),
    logger: pino({ level: 'silent' }),
  })
  await never.stop()
  await never.start()
  expect(() => never.url()).toThrow()
})

test('the API has no metrics then', async () => {
  const { api } = setUpApi({}, { servesMetrics: false, access: accessBy({}) })
  expect((await api.app.inject('/metrics')).statusCode).toBe(404)
})
