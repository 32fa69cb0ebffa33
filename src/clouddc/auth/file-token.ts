import { readFile, stat } from 'node:fs/promises'
import type { Logger } from 'pino'
import { coerceError } from '../../runtime/errors.ts'
import { readToken, type TokenSource } from './token-source.ts'

/** How old the known content of the file may be. */
const CHECK_MS = 1000

export interface FileTokenOptions {
  path: string
  /** What the file holds, as the log calls it. */
  what?: string
  logger: Logger
  /** Milliseconds on a clock that never goes back. */
  now?: () => number
}

/**
 * A token kept in a file, as mounted secrets are: looked at once a second at most while calls are made, re-read when
 * it has changed. While the file is missing, empty or half written, the last good token stays in use.
 */
export function createFileToken({
  path,
  what = 'the CloudDC token',
  logger,
  now = () => performance.now(),
}: FileTokenOptions): TokenSource {
  let token: string | undefined
  let stamp: string | undefined
  let checkedAt = Number.NEGATIVE_INFINITY
  let fault: Error | undefined
  let reading: Promise<void> | undefined

  const look = async (force: boolean): Promise<void> => {
    try {
      const { mtimeMs, size, ino } = await stat(path)
      const found = `${mtimeMs}/${size}/${ino}`
      if (force || found !== stamp) {
        const next = readToken(await readFile(path, 'utf8'))
        if (token !== undefined && next !== token) logger.info(`${what} has changed`)
        token = next
        // Taken before the reading: a change in between is seen at the next look.
        stamp = found
      }
      fault = undefined
    } catch (error) {
      if (fault === undefined) {
        logger.warn({ reason: coerceError(error).message }, `the file of ${what} cannot be read`)
      }
      fault = coerceError(error)
      stamp = undefined
    } finally {
      checkedAt = now()
      reading = undefined
    }
  }

  const known = (): string => {
    if (token === undefined) throw new Error(`${what} could not be read`, { cause: fault })
    return token
  }

  return {
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
