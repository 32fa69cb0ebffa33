import type { Logger } from 'pino'
import { createWatchedFile } from '../../runtime/watched-file.ts'
import type { Credentials } from './credentials.ts'
import { parseCredentials, type ReadingOptions } from './credentials-file.ts'

/** The credentials in force. */
export interface CredentialBook {
  /** Reads them again where they may have changed, at most once a second. Never rejects. */
  current(): Promise<Credentials>
  /** As read last. */
  known(): Credentials
}

/** Credentials that stay as they are. */
export function fixedCredentials(credentials: Credentials): CredentialBook {
  return { current: async () => credentials, known: () => credentials }
}

export interface CredentialFileOptions extends ReadingOptions {
  path: string
  /** As read at the start. */
  first: Credentials
  logger: Logger
  /** Milliseconds on a clock that never goes back. */
  now?: () => number
}

/** The credentials of a file, followed while calls are made; one with faults leaves those before in force. */
export function createCredentialBook({
  environment,
  insecure,
  ...options
}: CredentialFileOptions): CredentialBook {
  const file = createWatchedFile({
    ...options,
    what: 'the set of CloudDC credentials',
    level: 'error',
    read: (text) => parseCredentials(text, { environment, insecure }),
  })
  const known = () => file.last() ?? options.first
  return { current: () => file.current().catch(known), known }
}
