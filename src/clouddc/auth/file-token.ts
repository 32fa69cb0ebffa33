import type { Logger } from 'pino'
import { createWatchedFile } from '../../runtime/watched-file.ts'
import { readToken, type Source } from './source.ts'

export interface FileTokenOptions {
  path: string
  /** What the file holds, as the log calls it. */
  what?: string
  logger: Logger
  /** Milliseconds on a clock that never goes back. */
  now?: () => number
}

/** A token, or a key, kept in a file that is read again when it changes. */
export function createFileToken({
  what = 'the CloudDC token',
  ...options
}: FileTokenOptions): Source<string> {
  return createWatchedFile({ ...options, what, read: readToken })
}
