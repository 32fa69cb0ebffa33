import { type Logger, pino } from 'pino'
import type { Auth } from '../../src/clouddc/auth/auth.ts'
import { createAuth } from '../../src/clouddc/auth/create-auth.ts'
import { fixedCredentials } from '../../src/clouddc/auth/credential-book.ts'
import { type Credential, credentialsOf } from '../../src/clouddc/auth/credentials.ts'

/** Authentication of every project by one credential; null is none. */
export function authBy(credential: Credential | null, logger: Logger = pino({ level: 'silent' })): Auth {
  return createAuth({ book: fixedCredentials(credentialsOf(credential)), logger })
}
