import { randomBytes } from 'node:crypto'
import { pino } from 'pino'
import type { Delivery, MessageProperties, OutgoingMessage } from '../../src/amqp/message.ts'
import type { Rejection } from '../../src/contracts/events.ts'
import type { IndexedLetter, RejectedMessage } from '../../src/intake/insert-rejections.sql.ts'
import { createIntake, type IntakeOptions } from '../../src/intake/intake.ts'
import type { NewRequest } from '../../src/intake/new-request.ts'
import type { RequestStore } from '../../src/intake/request-store.ts'
import { requestKey } from '../../src/request/request-key.ts'
import { createPasswordDigester, createPasswordTracer } from '../../src/secrets/digest.ts'
import { createJweBox } from '../../src/secrets/jwe-box.ts'
import { createSealer } from '../../src/secrets/seal.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { buildRequest, toBody } from './request-builder.ts'

/** An error of the database as Prisma throws it: with its SQLSTATE, or without one for a lost connection. */
export function databaseError(sqlState?: string): Error {
  const error = new Error('database error')
  if (sqlState === undefined) return error
  const meta = { driverAdapterError: { cause: { originalCode: sqlState } } }
  return Object.assign(error, { code: 'P2010', meta })
}

/** A delivery as the consumer hands it over; a body that is no buffer is sent as JSON. */
export function buildDelivery(
  body: unknown = buildRequest(),
  { properties = {}, deliveryCount = 0 }: { properties?: MessageProperties; deliveryCount?: number } = {},
): Delivery {
  return {
    body: Buffer.isBuffer(body) ? body : toBody(body),
    contentType: properties.contentType,
    messageId: properties.messageId,
    correlationId: properties.correlationId,
    headers: properties.headers ?? {},
    properties,
    unreadable: [],
    exchange: '',
    routingKey: 'provision.requests',
    deliveryCount,
    redelivered: deliveryCount > 0,
  }
}

/**
 * Intake with a store and a publisher in memory. `hooks` run before each call and may throw or wait; `log` holds
 * every call and log line in order.
 */
export function createIntakeHarness(options: Partial<IntakeOptions> = {}) {
  const rows = new Map<string, NewRequest>()
  /** Keys of requests whose password is not sealed in the store any more. */
  const shredded = new Set<string>()
  const rejections: Rejection[] = []
  const index: IndexedLetter[] = []
  const deadLetters: OutgoingMessage[] = []
  const batches: number[] = []
  const log: string[] = []
  const lines: string[] = []
  const hooks = {
    insertRequests: async (_rows: readonly NewRequest[]): Promise<void> => undefined,
    insertRejections: async (_rejected: readonly RejectedMessage[]): Promise<void> => undefined,
    countOpen: async (_projectIds: readonly string[]): Promise<void> => undefined,
    publish: async (_message: OutgoingMessage): Promise<void> => undefined,
  }
  const store: RequestStore = {
    insertRequests: async (batch) => {
      await hooks.insertRequests(batch)
      batches.push(batch.length)
      log.push(`insert ${batch.length}`)
      return batch.map((row) => {
        const key = requestKey(row)
        const other = rows.get(key)
        if (other === undefined) {
          rows.set(key, row)
          return { kind: 'inserted' }
        }
        const { contentDigest, passwordDigest } = other
        const sealedPassword = shredded.has(key) ? null : other.sealedPassword
        return { kind: 'existing', contentDigest, passwordDigest, sealedPassword }
      })
    },
    countOpen: async (projectIds, most) => {
      await hooks.countOpen(projectIds)
      log.push(`count ${projectIds.join(' ')}`)
      const open = (projectId: string) => [...rows.values()].filter((row) => row.projectId === projectId)
      return new Map(
        projectIds.map((projectId) => [projectId, Math.min(most, open(projectId).length)] as const),
      )
    },
    findTaken: async (batch) => {
      if (batch.length > 0) log.push(`look ${batch.length}`)
      return batch.filter((row) => rows.has(requestKey(row)))
    },
    insertRejections: async (batch) => {
      await hooks.insertRejections(batch)
      log.push(`rejections ${batch.length}`)
      rejections.push(...batch.flatMap(({ event }) => event ?? []))
      index.push(...batch.map(({ letter }) => letter))
    },
  }
  const publisher = {
    publish: async (message: OutgoingMessage) => {
      await hooks.publish(message)
      log.push('dead letter')
      deadLetters.push(message)
    },
  }
  const keys = [{ id: 'k1', key: randomBytes(32) }]
  const sealer = createSealer(keys)
  const jweBox = createJweBox(keys)
  const metrics = createMetrics()
  const intake = createIntake({
    store,
    publisher,
    sealer,
    jweBox,
    passwordDigester: createPasswordDigester([]),
    passwordTracer: createPasswordTracer(keys),
    logger: pino({ level: 'trace' }, { write: (line: string) => lines.push(line) }),
    metrics: metrics.intake,
    pauseConsuming: () => {
      log.push('pause')
    },
    resumeConsuming: () => {
      log.push('resume')
    },
    onStored: (count) => log.push(`stored ${count}`),
    onEvents: () => log.push('events stored'),
    // No delivery waits for a turn, however slow the machine: what a test hands over is in work at once.
    turnShareMs: Number.POSITIVE_INFINITY,
    deliveryLimit: 20,
    ...options,
  })
  return {
    intake,
    sealer,
    jweBox,
    hooks,
    rows,
    shredded,
    rejections,
    index,
    deadLetters,
    batches,
    log,
    lines,
    metrics,
  }
}

/** Why a message was dead-lettered: the code, and the paths of the faults. */
export function reasonOf(
  { properties }: { properties: { headers?: Readonly<Record<string, unknown>> | undefined } } = {
    properties: {},
  },
) {
  const { 'x-rejection-code': code, 'x-rejection-detail': detail } = properties.headers ?? {}
  return { code, paths: JSON.parse(String(detail)).map((fault: { path: string }) => fault.path) }
}
