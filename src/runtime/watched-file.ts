import { readFile, stat } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { coerceError } from './errors.ts'

/** How old the known content of the file may be. */
const CHECK_MS = 1000

export interface WatchedFileOptions<Value> {
  path: string
  /** What the file holds, as the log calls it. */
  what: string
  /** Throws, without repeating the text, when it makes no value. */
  read: (text: string) => Value
  /** What was read before. */
  first?: Value
  /** How loud a file is told of that cannot be read. */
  level?: 'warn' | 'error'
  logger: Logger
  /** Milliseconds on a clock that never goes back. */
  now?: () => number
}

export interface WatchedFile<Value> {
  /** What the file holds, looked at once a second at most; rejects only while nothing good was ever read. */
  current(): Promise<Value>
  /** Reads the file now, changed or not. */
  renew(): Promise<Value>
  /** What was read last, without a look at the file. */
  last(): Value | undefined
}

/**
 * What a file holds, as mounted secrets are: looked at once a second at most while somebody asks, re-read when it has
 * changed. While the file is missing, empty or half written, the last good value stays in use, and the log says so, once for
 * each reason.
 */
export function createWatchedFile<Value>(options: WatchedFileOptions<Value>): WatchedFile<Value> {
  const { path, what, read, level = 'warn', logger, now = () => performance.now() } = options
  let value = options.first
  let stamp: string | undefined
  let checkedAt = Number.NEGATIVE_INFINITY
  let fault: Error | undefined
  let reading: Promise<void> | undefined

  const look = async (force: boolean): Promise<void> => {
    try {
      const { mtimeMs, size, ino } = await stat(path)
      const found = `${mtimeMs}/${size}/${ino}`
      if (force || found !== stamp) {
        const next = read(await readFile(path, 'utf8'))
        if (value !== undefined && !isDeepStrictEqual(next, value)) logger.info(`${what} has changed`)
        else if (fault !== undefined) logger.info(`the file of ${what} can be read again`)
        value = next
        // Taken before the reading: a change in between is seen at the next look.
        stamp = found
      }
      fault = undefined
    } catch (error) {
      const reason = coerceError(error).message
      if (fault?.message !== reason) {
        const stays = value === undefined ? '' : '; what it held before stays in force'
        logger[level]({ reason, path }, `the file of ${what} cannot be read${stays}`)
      }
      fault = coerceError(error)
      stamp = undefined
    } finally {
      checkedAt = now()
      reading = undefined
    }
  }

  const known = (): Value => {
    if (value === undefined) throw new Error(`${what} could not be read`, { cause: fault })
    return value
  }

  return {
    last: () => value,
    current: async () => {
      if (reading !== undefined || now() - checkedAt >= CHECK_MS) {
        reading ??= look(false)
        await reading
      }
      return known()
    },
    renew: async () => {
      await reading
      reading = look(true)
      await reading
      return known()
    },
  }
}
