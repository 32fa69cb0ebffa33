import { describe, expect, test } from 'vitest'
import { createLogger } from '../../src/logger.ts'
import { scrubText, showError, showValue } from '../../src/telemetry/redact.ts'

const CANARY = 'Canary-Passw0rd!'

function capture() {
  const lines: string[] = []
  const logger = createLogger({
    level: 'trace',
    replicaId: 'replica-1',
    destination: { write: (line) => lines.push(line) },
  })
  return { logger, lines, last: () => JSON.parse(lines.at(-1) ?? 'null') }
}

describe('a log line', () => {
  test('is one JSON object with level, time, service and replica', () => {
    const { logger, lines, last } = capture()
    logger.info({ count: 3 }, 'stored')
    expect(lines).toHaveLength(1)
    expect(last()).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      service: 'provisioner',
      replicaId: 'replica-1',
      count: 3,
      msg: 'stored',
    })
  })

  test('shows an error with its known fields and causes, and nothing else of it', () => {
    const { logger, last } = capture()
    const cause = Object.assign(new Error('inner'), { code: 'ECONNREFUSED', config: { url: 'x' } })
    logger.error({ err: new TypeError('outer', { cause }) }, 'failed')
    expect(last().err).toMatchObject({
      type: 'TypeError',
      message: 'outer',
      cause: { type: 'Error', message: 'inner', code: 'ECONNREFUSED' },
    })
    expect(last().err.cause).not.toHaveProperty('config')
  })
})

/** Each way of logging that once let a secret through somewhere. */
const LEAKS: [string, (logger: ReturnType<typeof createLogger>) => void][] = [
  ['a field', (logger) => logger.info({ password: CANARY }, 'x')],
  ['a field deep down', (logger) => logger.info({ a: [{ b: { adminPass: CANARY } }] }, 'x')],
  ['a header in another case', (logger) => logger.info({ headers: { 'X-Auth-Token': CANARY } }, 'x')],
  ['the binding of a child', (logger) => logger.child({ token: CANARY }).info('x')],
  ['the binding of a grandchild', (logger) => logger.child({}).child({ password: CANARY }).info('x')],
  ['text', (logger) => logger.info(`connecting to amqp://user:${CANARY}@broker`)],
  ['a value put into text', (logger) => logger.info('connecting to %s', `amqp://user:${CANARY}@broker`)],
  ['an object put into text', (logger) => logger.info('spec %o', { password: CANARY })],
  ['JSON in text', (logger) => logger.info(JSON.stringify({ password: CANARY }))],
  [
    'JSON in JSON in text',
    (logger) => logger.info(JSON.stringify({ body: JSON.stringify({ spec: { password: CANARY } }) })),
  ],
  ['an error', (logger) => logger.error(new Error(`bad "password":"${CANARY}"`))],
  ['an error as a field', (logger) => logger.error({ err: new Error(`password=${CANARY}`) })],
  ['an error as another field', (logger) => logger.error({ reason: new Error(`password=${CANARY}`) }, 'x')],
  ['the cause of an error', (logger) => logger.error(new Error('x', { cause: new Error(`pwd=${CANARY}`) }))],
  ['a field of an error', (logger) => logger.error(Object.assign(new Error('x'), { body: { p: CANARY } }))],
  [
    'an aggregate of errors',
    (logger) => logger.error(new AggregateError([new Error(`postgres://u:${CANARY}@h/d`)], 'all failed')),
  ],
  ['a whole message', (logger) => logger.info({ body: `{"x":"${CANARY}"}`, spec: { x: CANARY } }, 'x')],
  ['bytes', (logger) => logger.info({ bytes: Buffer.from(CANARY) }, 'x')],
  ['an object of a class', (logger) => logger.info({ map: new Map([['password', CANARY]]) }, 'x')],
  ['configuration', (logger) => logger.info({ config: { databaseUrl: CANARY, secretKeys: [CANARY] } }, 'x')],
]

describe('a secret does not get into the log through', () => {
  test.each(LEAKS)('%s', (_place, log) => {
    const { logger, lines } = capture()
    log(logger)
    expect(lines).toHaveLength(1)
    expect(lines[0]).not.toContain(CANARY)
    expect(lines[0]).not.toContain(Buffer.from(CANARY).toString('base64'))
  })
})

describe('scrubbing', () => {
  test.each(['plain', 'with "quotes"', 'back\\slash', 'ends in \\', 'two\nlines'])(
    'finds a password in nested JSON: %j',
    (password) => {
      let text = JSON.stringify({ password, next: 'kept' })
      for (let depth = 0; depth < 3; depth += 1) {
        const scrubbed = scrubText(text)
        expect(scrubbed).toContain('[redacted]')
        expect(scrubbed).not.toContain(password.slice(0, 4))
        text = JSON.stringify({ body: text })
      }
    },
  )

  test('leaves other text as it is', () => {
    const text = 'claimed 3 requests of project p; https://host:8080/v1/p?limit=3 said 429 (tokens: 2)'
    expect(scrubText(text)).toBe(text)
  })

  test('is done with long hostile text in no time', () => {
    for (const hostile of [
      'password="'.repeat(2000),
      `a://${'x'.repeat(50_000)}`,
      '\\"password'.repeat(3000),
    ]) {
      expect(scrubText(hostile).length).toBeLessThanOrEqual(4097)
    }
  })
})

describe('showing a value', () => {
  test('ends at a depth, also for what contains itself', () => {
    const loop: Record<string, unknown> = {}
    loop.self = loop
    expect(JSON.stringify(showValue(loop))).toContain('[deep]')
    const error = new Error('x')
    error.cause = error
    expect(JSON.stringify(showError(error))).toContain('"x"')
  })

  test('keeps plain data', () => {
    expect(showValue({ a: 1, b: [true, null], c: 10n, d: new Date(0), e: undefined })).toEqual({
      a: 1,
      b: [true, null],
      c: '10',
      d: '1970-01-01T00:00:00.000Z',
      e: undefined,
    })
  })
})
