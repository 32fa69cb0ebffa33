import type { Logger } from 'pino'
import type { CredentialBook } from '../clouddc/auth/credential-book.ts'
import { type Credentials, credentialIdOf, NO_CREDENTIAL } from '../clouddc/auth/credentials.ts'
import type { Database } from '../database/database.ts'
import type { CallLimits } from './call-limits.ts'
import { labelProjects } from './label-projects.sql.ts'
import { reopenCredentials } from './reopen-credentials.sql.ts'
import { syncCredentials } from './sync-credentials.sql.ts'

/** A replica that has stored for a new project may have seen an older credentials file. */
const AGAIN_MS = 10_000
/** Files are looked at so often. */
const LOOK_MS = 1000

/**
 * Keeps the buckets in step with the credentials: each has its row, with its limit, and each project's bucket says which
 * one pays for it. Whenever the credentials have changed, and every ten seconds. A credential that was refused, and now
 * shows something else, is tried again at the next look: by then all that make calls have looked at its files as well, and
 * none shows the old secret once more.
 */
export function createCredentialSync({
  database,
  book,
  newSecrets,
  limits,
  logger,
  now = () => performance.now(),
}: {
  database: Database
  book: CredentialBook
  /** The credentials that show something else than when it was asked last. */
  newSecrets: () => Promise<readonly string[]>
  limits: Pick<CallLimits, 'credentials'>
  logger: Logger
  now?: () => number
}): () => Promise<void> {
  let synced: Credentials | undefined
  let syncedAt = Number.NEGATIVE_INFINITY
  let lookedAt = Number.NEGATIVE_INFINITY
  let renewed: readonly string[] = []

  const reopen = async () => {
    if (now() - lookedAt < LOOK_MS) return
    lookedAt = now()
    await reopenCredentials(database, renewed)
    renewed = await newSecrets()
    if (renewed.length > 0) logger.info({ credentials: renewed }, 'credentials have changed')
  }

  return async () => {
    const credentials = await book.current()
    await reopen()
    if (credentials === synced && now() - syncedAt < AGAIN_MS) return
    if (credentials !== synced) tellOfStrangers(credentials, limits, logger)
    await syncCredentials(
      database,
      [...new Set([...credentials.byId.keys(), ...limits.credentials.ids])].map((credentialId) => ({
        credentialId,
        ...limits.credentials.of(credentialId),
      })),
    )
    const named = [...credentials.projects.keys()].map((projectId) => ({
      projectId,
      credentialId: credentialIdOf(credentials, projectId) ?? NO_CREDENTIAL,
    }))
    await labelProjects(database, named, credentials.defaultId ?? NO_CREDENTIAL)
    synced = credentials
    syncedAt = now()
  }
}

/** A limit may be there before its credential: the credentials file is followed. */
function tellOfStrangers({ byId }: Credentials, limits: Pick<CallLimits, 'credentials'>, logger: Logger) {
  const unknown = limits.credentials.ids.filter((id) => !byId.has(id))
  if (unknown.length > 0)
    logger.warn({ credentials: unknown }, 'CREDENTIAL_RATE_LIMITS names credentials that there are not')
}
