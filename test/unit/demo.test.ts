import { describe, expect, it } from 'vitest'
import { type DraftMessage, draftMessages } from '../../dev/demo/messages.ts'
import { readOptions, UsageError } from '../../dev/demo/options.ts'
import type { Progress } from '../../dev/demo/progress.ts'
import { createScreen } from '../../dev/demo/screen.ts'
import { sealOrders } from '../../dev/demo/seal-messages.ts'
import { bar, describeProgress, drawProgress } from '../../dev/demo/view.ts'
import { createSeededRandom } from '../../dev/seeded-random.ts'
import { parseRequestMessage } from '../../src/contracts/request-message.ts'
import { createJweBox, openText } from '../../src/secrets/jwe-box.ts'

const draft = (count: number, seed = 1) =>
  draftMessages({
    count,
    projectIds: ['project-1', 'project-2', 'project-3'],
    random: createSeededRandom(seed),
    secretPrefix: 'Cn9-abcdef-',
    now: new Date('2026-11-23T12:00:00Z'),
  })

const parse = ({ body, contentType, messageId }: DraftMessage) =>
  parseRequestMessage({ body, contentType, messageId })

describe('the messages of the demo', () => {
  it('are what they are meant to be: valid orders of that key, or faulty with that code', () => {
    for (const message of draft(2000).messages) {
      const parsed = parse(message)
      if (message.expect.kind === 'rejected') {
        expect(parsed).toMatchObject({ ok: false, code: message.expect.code })
        const { projectId, requestId } = message
        if (projectId !== null) expect(parsed).toMatchObject({ projectId, requestId })
        continue
      }
      const { projectId, requestId, order } = message
      expect(parsed).toMatchObject({
        ok: true,
        command: {
          projectId,
          requestId,
          minCount: order?.min,
          maxCount: order?.max,
          spec: { name: order?.name },
        },
      })
    }
  })

  it('mean the same when some of them are sealed', async () => {
    const box = createJweBox([{ id: 'k1', key: Buffer.alloc(32, 7) }])
    const { messages } = draft(60)
    const sent = await sealOrders(messages, box.publicKeys.keys[0] ?? {})
    let sealed = 0
    for (const [index, message] of sent.entries()) {
      const plain = messages[index] as DraftMessage
      const parsed = parse(message)
      if (parsed.ok !== 'sealed') {
        expect(message).toBe(plain)
        continue
      }
      sealed += 1
      const opened = await parsed.unseal((jwe) => openText(box, jwe))
      expect(opened).toMatchObject({ ok: true, command: (parse(plain) as { command?: object }).command })
    }
    expect(sealed).toBeGreaterThan(15)
  })

  it('hold as many distinct requests as were asked for, each name once', () => {
    const { messages } = draft(500)
    const originals = messages.filter(({ expect }) => ['creates', 'refused', 'expires'].includes(expect.kind))
    expect(originals).toHaveLength(500)
    expect(new Set(originals.map(({ order }) => order?.name)).size).toBe(500)
  })

  it('have copies that mean the same and conflicts that do not', () => {
    const { messages } = draft(500)
    const digestOf = (message: DraftMessage) => {
      const parsed = parse(message)
      return parsed.ok === true
        ? JSON.stringify([parsed.command.spec, parsed.command.deadline, parsed.command.priority])
        : ''
    }
    const original = (message: DraftMessage) =>
      messages.find(
        (other) => other.requestId === message.requestId && !['copy', 'conflict'].includes(other.expect.kind),
      ) as DraftMessage
    const of = (kind: string) => messages.filter((message) => message.expect.kind === kind)
    expect(of('copy')).toHaveLength(20)
    expect(of('conflict')).toHaveLength(5)
    for (const copy of of('copy')) expect(digestOf(copy)).toBe(digestOf(original(copy)))
    for (const conflict of of('conflict')) expect(digestOf(conflict)).not.toBe(digestOf(original(conflict)))
  })

  it('are repeated by their seed', () => {
    const bodies = (seed: number) => draft(50, seed).messages.map(({ body }) => body.toString())
    expect(bodies(7)).toEqual(bodies(7))
    expect(bodies(7)).not.toEqual(bodies(8))
  })

  it('are there in every small number', () => {
    for (const count of [1, 2, 3, 5]) expect(draft(count).messages.length).toBeGreaterThan(count)
  })
})

describe('the options of the demo', () => {
  it('have the documented defaults', () => {
    expect(readOptions([])).toEqual({
      requests: 200,
      projects: 3,
      rate: 20,
      burst: 10,
      replicas: 1,
      seed: 1,
      auth: 'mixed',
      json: false,
      keep: false,
    })
  })

  it('are read from the command line', () => {
    const args = [
      '--requests',
      '1000',
      '--projects=5',
      '--replicas',
      '3',
      '--rate',
      '50',
      '--auth=aksk',
      '--json',
      '--keep',
    ]
    expect(readOptions(args)).toMatchObject({
      requests: 1000,
      projects: 5,
      replicas: 3,
      rate: 50,
      burst: 25,
      auth: 'aksk',
      json: true,
    })
    expect(readOptions(['--help'])).toBeNull()
  })

  it.each([
    [['--reqests', '5'], /--reqests/],
    [['--requests', 'many'], /--requests must be a whole number/],
    [['--requests', '1.5'], /--requests must be a whole number/],
    [['--requests', '0', '--replicas', '99'], /--requests.*\n.*--replicas/],
    [['--requests'], /--requests/],
    [['--auth', 'magic'], /--auth must be one of token, aksk, password/],
    [['extra'], /extra/],
  ])('refuse %j', (args, message) => {
    expect(() => readOptions(args)).toThrow(UsageError)
    expect(() => readOptions(args)).toThrow(message)
  })
})

describe('the view of the demo', () => {
  const progress: Progress = {
    states: { queued: 99_000, dispatching: 3, provisioning: 120, running: 876, failed: 1 },
    ended: 877,
    projects: Array.from({ length: 9 }, (_, index) => ({
      projectId: `project-${index + 1}`,
      tokens: 3.25,
      burst: 5000,
      callsPerSecond: 9999.9,
      queued: 12_345,
    })),
    callsPerSecond: 99_999,
    calls: 999_999,
    throttled: 1000,
    events: 1_234_567,
    outbox: 12,
    deadLetters: 1234,
    onQueue: 7,
    instances: { created: 123_456, running: 123_456 },
  }

  it('fits 80 columns and 24 lines, with many projects and great numbers too', () => {
    const lines = drawProgress({ progress, requests: 100_000, seconds: 1234.5, paint: (_, text) => text })
    expect(lines.length).toBeLessThanOrEqual(23)
    for (const line of lines) expect(line.length).toBeLessThan(80)
    expect(lines.join('\n')).toContain('and 4 more projects')
  })

  it('says the same in one line where there is no terminal', () => {
    const line = describeProgress({ progress, requests: 100_000, seconds: 12.34 })
    expect(line).toContain('877/100000 ended')
    expect(line).toContain('queued 99000, dispatching 3, provisioning 120, running 876, failed 1')
  })

  it('shows every share that is not nothing', () => {
    expect(bar(0, 10)).toBe('')
    expect(bar(0.001, 10)).toBe('▏')
    expect(bar(0.5, 10)).toBe('█████')
    expect(bar(1, 10)).toBe('██████████')
  })
})

describe('the screen', () => {
  const recorder = (isTTY: boolean) => {
    const written: string[] = []
    return { written, output: { isTTY, write: (text: string) => written.push(text) } }
  }

  it('writes no escape sequence where there is no terminal', () => {
    const { written, output } = recorder(false)
    const screen = createScreen({ output, live: true, environment: {} })
    screen.draw(['live'])
    screen.line(screen.paint('red', 'a line'))
    screen.erase()
    expect(written).toEqual(['a line\n'])
  })

  it('does not draw in a window that is too small for it', () => {
    const { written, output } = recorder(true)
    const screen = createScreen({ output: { ...output, columns: 60 }, live: true, environment: {} })
    screen.draw(['live'])
    expect(screen.live).toBe(false)
    expect(written).toEqual([])
  })

  it('redraws in place, and gives the cursor back', () => {
    const { written, output } = recorder(true)
    const screen = createScreen({ output, live: true, environment: { NO_COLOR: '1' } })
    screen.draw(['one', 'two'])
    screen.draw(['three', 'four'])
    expect(written[1]).toContain('\u001b[2A\r')
    screen.line('stays')
    expect(written.join('')).toContain('\u001b[?25h')
    expect(written.at(-1)).toBe('stays\n')
  })
})
