import fc from 'fast-check'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import type { NotCreatedReason, Outcome } from '../../src/attempt/outcome.ts'
import { NOT_SENDABLE } from '../../src/budget/call-effect.ts'
import { credentialsOf } from '../../src/clouddc/auth/credentials.ts'
import { logTarget } from '../../src/clouddc/target-log.ts'
import { createCallLog } from '../../src/dispatch/call-log.ts'

const MINUTE = 60_000

const created: Outcome = { class: 'created', instanceIds: ['i'], httpStatus: 202 }
const notCreated = (reason: NotCreatedReason, code = 'c'): Outcome => ({
  class: 'not_created',
  reason,
  code,
  message: 'words',
  httpStatus: 401,
  retryAfterMs: null,
  upstreamRequestId: 'req-1',
})
const unknown: Outcome = {
  class: 'unknown',
  reason: 'timeout',
  code: 'c',
  message: 'words',
  httpStatus: null,
}

function openLog(maxProjects?: number) {
  const lines: Record<string, unknown>[] = []
  const logger = pino({ level: 'debug' }, { write: (line) => void lines.push(JSON.parse(line)) })
  const clock = { at: 0 }
  const log = createCallLog({
    logger,
    now: () => clock.at,
    ...(maxProjects === undefined ? {} : { maxProjects }),
  })
  return {
    clock,
    lines,
    tell: (projectId: string, outcome: Outcome) => log.tell({ projectId, credentialId: 'c' }, outcome),
    said: () => lines.map(({ msg, projectId, projects, cause }) => [msg, projectId ?? projects, cause]),
  }
}

const FAILING = 'batch-create: failing, will keep trying'
const STILL = 'batch-create: still failing'
const AGAIN = 'batch-create: works again'

describe('failing calls', () => {
  test('are told once, then once a minute, then that they work again', () => {
    const { clock, lines, tell, said } = openLog()
    for (clock.at = 0; clock.at < 3 * MINUTE; clock.at += 10_000) tell('p', notCreated('unauthorized'))
    tell('p', created)
    tell('p', created)
    expect(said()).toEqual([
      [FAILING, 'p', 'unauthorized'],
      [STILL, 'p', 'unauthorized'],
      [STILL, 'p', 'unauthorized'],
      [AGAIN, 'p', undefined],
    ])
    expect(lines[0]).toMatchObject({
      code: 'c',
      httpStatus: 401,
      reason: 'words',
      upstreamRequestId: 'req-1',
    })
    expect(lines[2]).toMatchObject({ failures: 13, seconds: 120 })
    expect(lines[3]).toMatchObject({ failures: 18, seconds: 180 })
  })

  test('are told for each project and cause', () => {
    const { tell, said } = openLog()
    for (const project of ['p', 'q']) {
      for (const outcome of [notCreated('forbidden'), unknown, notCreated('forbidden'), unknown])
        tell(project, outcome)
    }
    expect(said()).toEqual([
      [FAILING, 'p', 'forbidden'],
      [FAILING, 'p', 'timeout'],
      [FAILING, 'q', 'forbidden'],
      [FAILING, 'q', 'timeout'],
    ])
    tell('p', notCreated('refused'))
    expect(said().slice(4)).toEqual([[AGAIN, 'p', undefined]])
  })

  test('that come and go are told once a minute', () => {
    const { clock, tell, said } = openLog()
    for (clock.at = 0; clock.at < 2 * MINUTE; clock.at += 1000) {
      tell('p', unknown)
      tell('p', created)
    }
    expect(said()).toEqual([
      [FAILING, 'p', 'timeout'],
      [AGAIN, 'p', undefined],
      [FAILING, 'p', 'timeout'],
      [AGAIN, 'p', undefined],
    ])
  })

  test('are those that CloudDC should have carried out: not what it refuses, or what was never sent', () => {
    const { tell, said } = openLog()
    const own = [notCreated('refused'), notCreated('not_sent'), notCreated('refused', NOT_SENDABLE)]
    for (const outcome of [created, ...own]) tell('p', outcome)
    expect(said()).toEqual([])
  })

  test('of very many projects are told as one beyond so many', () => {
    const { clock, tell, said } = openLog(2)
    for (const project of ['a', 'b', 'c', 'd', 'e']) tell(project, unknown)
    clock.at += MINUTE
    for (const project of ['c', 'd', 'e']) tell(project, unknown)
    expect(said()).toEqual([
      [FAILING, 'a', 'timeout'],
      [FAILING, 'b', 'timeout'],
      [FAILING, 'others', 'timeout'],
      [STILL, 'others', 'timeout'],
    ])
    clock.at += 16 * MINUTE
    tell('f', unknown)
    expect(said().at(-1)).toEqual([FAILING, 'f', 'timeout'])
  })

  test('of no number of projects fill the log', () => {
    const steps = fc.array(
      fc.record({
        project: fc.nat(30).map(String),
        outcome: fc.constantFrom(created, unknown, notCreated('throttled'), notCreated('forbidden')),
        ms: fc.nat(5000),
      }),
      { maxLength: 200 },
    )
    fc.assert(
      fc.property(steps, (taken) => {
        const { clock, tell, said } = openLog(5)
        for (const { project, outcome, ms } of taken) {
          clock.at += ms
          tell(project, outcome)
        }
        // Five projects and the others, three causes, and an end for each begin, once a minute.
        const minutes = Math.floor(clock.at / MINUTE) + 1
        expect(said().length).toBeLessThanOrEqual(6 * 3 * 2 * minutes)
      }),
    )
  })
})

test.each([
  [{ kind: 'token', token: { value: 'Secret-token-1' } }, 'fixed token'],
  [{ kind: 'token', token: { file: '/run/secrets/token' } }, 'token file'],
  [
    { kind: 'aksk', accessKey: { value: 'a' }, secretKey: { value: 'Secret-key' }, securityToken: null },
    'keys',
  ],
  [
    {
      kind: 'aksk',
      accessKey: { value: 'a' },
      secretKey: { value: 'Secret-key' },
      securityToken: { value: 'Secret-token' },
    },
    'temporary keys',
  ],
] as const)(
  'a start tells where calls go and by what kind of credential, and no secret: %j',
  (credential, kind) => {
    const lines: string[] = []
    const logger = pino({ level: 'info' }, { write: (line) => void lines.push(line) })
    logTarget({
      endpoint: 'https://user:Secret-word@cloud.example:8443/base?token=Secret-query',
      logger,
      credentials: credentialsOf(credential),
    })
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      endpoint: 'https://cloud.example:8443/base',
      credentials: { default: kind },
    })
    expect(lines[0]).not.toContain('Secret')
  },
)
