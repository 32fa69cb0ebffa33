import { type Bindings, type DestinationStream, type Level, type Logger, pino } from 'pino'
import { scrubText, showFields, showValue } from './telemetry/redact.ts'

export interface LoggerOptions {
  level: Level | 'silent'
  /** Distinguishes the replicas in a shared log. */
  replicaId?: string
  /** Where lines go; standard output, written synchronously, by default, so that the last line is never lost. */
  destination?: DestinationStream
}

/**
 * The service's logger: one JSON object per line, times in RFC 3339 UTC. Everything that is logged, bindings, fields,
 * errors and message, goes through telemetry/redact.ts.
 */
export function createLogger({ level, replicaId, destination }: LoggerOptions): Logger {
  const options = {
    level,
    base: { service: 'provisioner', ...(replicaId === undefined ? {} : { replicaId }) },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: Record<string, unknown>) => showFields(fields),
    },
    // Errors come out of the formatter as plain fields; pino's own serializer would rename them.
    serializers: { err: (shown: unknown) => shown },
    hooks: {
      logMethod(this: Logger, args: unknown[], method: (...args: unknown[]) => void) {
        method.apply(this, scrubArguments(args))
      },
    },
  }
  const logger = pino(options, destination ?? pino.destination({ fd: 1, sync: true }))
  // Bindings of children pass no formatter either. Children inherit this method.
  const child = logger.child
  logger.child = function (this: Logger, bindings: Bindings, ...rest: unknown[]) {
    return Reflect.apply(child, this, [showFields(bindings), ...rest])
  } as typeof logger.child
  return logger
}

/**
 * pino takes a missing message from the error logged, past every formatter, so it is written out here; the words and
 * the values put into them are scrubbed as text.
 */
function scrubArguments(args: unknown[]): unknown[] {
  const [first, ...rest] = args
  const scrubbed = rest.map((one) => showValue(one))
  if (typeof first === 'string') return [scrubText(first), ...scrubbed]
  if (typeof first !== 'object' || first === null || rest.length > 0) return [first, ...scrubbed]
  const error: unknown = first instanceof Error ? first : (first as { err?: unknown }).err
  return error instanceof Error ? [first, scrubText(error.message)] : [first]
}
