import { randomBytes } from 'node:crypto'
import { MAX_BODY_BYTES, parseRequestMessage } from '../../../src/contracts/request-message.ts'
import { toJson } from '../../../src/database/json.ts'
import { toNewRequest } from '../../../src/intake/new-request.ts'
import { newUuid } from '../../../src/runtime/uuid.ts'
import { createPasswordDigester, createPasswordTracer } from '../../../src/secrets/digest.ts'
import { createSealer } from '../../../src/secrets/seal.ts'
import { createSeededRandom } from '../../seeded-random.ts'
import { type HostileBody, hostileBodies, mixedBodies } from '../hostile-bodies.ts'
import type { Scenario } from '../scenario.ts'
import { figuresOf, round } from '../statistics.ts'

const MOST_TIMES = 20
const MOST_MS = 20
/** A pass is repeated for so long, and the time of one is the mean; the clock has ticks of 4 ms. */
const SLICE_MS = 40
const PASSES_PER_LOOK = 5
const SHOWN = 10
/** As long as an event can carry, and like the secrets in the bodies. */
const TRACING = {
  correlationId: 'a'.repeat(255),
  headers: { traceparent: 'a'.repeat(512), tracestate: 'b'.repeat(512) },
}

/** What a body of the largest size can cost at most, beside what JSON.parse needs for the same bytes. */
export const hostile: Scenario = async ({ options, log }) => {
  const rounds = options.rounds ?? (options.quick ? 1 : 3)
  const random = createSeededRandom(1)
  const bodies = [
    ...hostileBodies(MAX_BODY_BYTES),
    ...mixedBodies(MAX_BODY_BYTES, options.quick ? 10 : 60, random),
  ]
  const takeIn = createTakeIn()
  const measured = bodies.map((body) => ({ body, ms: [] as number[], times: [] as number[] }))
  for (let number = 1; number <= rounds; number += 1) {
    for (const { body, ms, times } of random.shuffle(measured)) {
      const bytes = Buffer.from(body.text)
      const valid = Buffer.from(body.valid)
      const parseMs = meanMs(() => JSON.parse(valid.toString('utf8')))
      const ownMs = meanMs(() => takeIn(bytes, body))
      ms.push(ownMs)
      times.push(ownMs / parseMs)
    }
    const worst = Math.max(...measured.map(({ times }) => times.at(-1) ?? 0))
    log(`round ${number}: ${bodies.length} bodies, the worst ${round(worst)} times JSON.parse`)
  }
  const rows = measured.map(({ body, ms, times }) => ({
    body: body.name,
    bytes: Buffer.byteLength(body.text),
    ms: round(figuresOf(ms).median),
    times_json_parse: round(figuresOf(times).median),
  }))
  const byTimes = rows.toSorted((a, b) => b.times_json_parse - a.times_json_parse)
  const slowest = rows.toSorted((a, b) => b.ms - a.ms)[0]
  const mostTimes = byTimes[0]?.times_json_parse ?? Number.NaN
  const mostMs = slowest?.ms ?? Number.NaN
  const raw = mostMs / (slowest?.times_json_parse ?? Number.NaN)
  return {
    value: mostMs,
    unit: `ms, worst of ${rows.length} bodies of 64 KiB`,
    raw: round(raw),
    ratio: round(1 / mostTimes),
    target: `ratio at least 1/${MOST_TIMES}, at most ${MOST_MS} ms`,
    met: mostTimes <= MOST_TIMES && mostMs <= MOST_MS,
    details: { most_times_json_parse: mostTimes, slowest, bodies: byTimes.slice(0, SHOWN) },
  }
}

/** All that intake does with a body before it waits for anything: to the row, or to the rejection as it is stored. */
function createTakeIn() {
  const keys = [{ id: 'bench', key: randomBytes(32) }]
  const deps = {
    sealer: createSealer(keys),
    passwordDigester: createPasswordDigester([]),
    passwordTracer: createPasswordTracer(keys),
  }
  return (body: Buffer, { contentType }: HostileBody): unknown => {
    const parsed = parseRequestMessage({ body, contentType, messageId: undefined, ...TRACING })
    if (parsed.ok === 'sealed') throw new Error('the bench seals no password')
    if (parsed.ok) return toNewRequest(parsed.command, parsed.tracing, deps)
    const { code, detail, tracing, projectId = 'p', requestId = 'r' } = parsed
    return [
      JSON.stringify(detail),
      toJson([{ id: newUuid(), projectId, requestId, ...tracing, code, detail }]),
    ]
  }
}

/** Processor time of one pass, in milliseconds: what else happens on the machine does not count. */
function meanMs(pass: () => unknown): number {
  const started = process.threadCpuUsage()
  for (let passes = 1; ; passes += 1) {
    pass()
    if (passes % PASSES_PER_LOOK !== 0) continue
    const { user, system } = process.threadCpuUsage(started)
    const passedMs = (user + system) / 1000
    if (passedMs >= SLICE_MS) return passedMs / passes
  }
}
