import { type Logger, pino } from 'pino'
import type { Auth } from '../../src/clouddc/auth/auth.ts'
import { createAuth } from '../../src/clouddc/auth/create-auth.ts'
import { fixedCredentials } from '../../src/clouddc/auth/credential-book.ts'
import { type Credential, credentialsOf } from '../../src/clouddc/auth/credentials.ts'
import { createIamTransport } from '../../src/clouddc/iam/iam-call.ts'

const HOME = { endpoint: 'http://127.0.0.1:9', region: null, iamEndpoint: 'http://127.0.0.1:9' }

/** Authentication of every project by one credential; null is none. */
export function authBy(credential: Credential | null, logger: Logger = pino({ level: 'silent' })): Auth {
  return createAuth({
    book: fixedCredentials(credentialsOf(credential)),
    home: HOME,
    transport: createIamTransport(),
    logger,
  })
}
