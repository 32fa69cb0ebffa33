import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import { createBatcher } from '../runtime/batcher.ts'
import { coerceError } from '../runtime/errors.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { applyCredentialResults, type CredentialEffect } from './apply-credential-results.sql.ts'
import {
  type CredentialNews,
  type CredentialPayment,
  credentialEffect,
  oneEffectPerCredential,
} from './credential-effect.ts'
import { labelProjects } from './label-projects.sql.ts'
import { createRefusedCredentials } from './refused-credentials.ts'

/** Credentials that are counted by name. Calls of more are counted as one. */
const MOST_NAMES = 100
const OTHERS = 'others'

/** A project's call was paid by a credential that is not the project's any more. It must not be made. */
export class OtherCredentialError extends Error {
  override readonly name = 'OtherCredentialError'
}

/** A call was paid before its credential was refused. It must not be made: refusals in a row lock a key. */
export class RefusedCredentialError extends Error {
  override readonly name = 'RefusedCredentialError'
}

/** The credentials that calls are paid by, as this replica knows them. */
export interface PayingCredentials {
  /**
   * Throws when the project's calls are made with another credential than has paid, whose bucket is told then, and when
   * the one that has paid was refused since; asked in the instant before a call is written. `age` is that of the payment,
   * in milliseconds.
   */
  check(call: { projectId: string; credentialId: string; age: () => number }): void
  /** Tells the credential's bucket, without waiting, what a call came to. */
  tell(call: CredentialPayment, news: CredentialNews): void
  /** Gives back what a call of the project has paid whose claim was not answered. */
  putBack(projectId: string, payment: string): void
  /** Resolves when the buckets know of every call. */
  drained(): Promise<void>
}

/** Where nothing is known of credentials. */
export const NO_CREDENTIALS: PayingCredentials = {
  check: () => undefined,
  tell: () => undefined,
  putBack: () => undefined,
  drained: async () => undefined,
}

export function createPayingCredentials({
  database,
  credentialOf,
  metrics,
  logger,
}: {
  database: Database
  /** The id of the credential that a project's calls are made with now. */
  credentialOf: (projectId: string) => string
  metrics: Pick<Metrics, 'credential'>
  logger: Logger
}): PayingCredentials {
  const refused = createRefusedCredentials()
  const names = new Set<string>()
  const nameOf = (credentialId: string) => {
    if (names.size < MOST_NAMES) names.add(credentialId)
    return names.has(credentialId) ? credentialId : OTHERS
  }
  const dropped = (error: unknown) => {
    logger.debug({ reason: coerceError(error).message }, 'the bucket of a credential was not told')
  }
  const labels = createBatcher<{ projectId: string; credentialId: string }, void>({
    maxSize: 200,
    concurrency: 1,
    flush: async (wanted) => {
      const byProject = new Map(wanted.map((one) => [one.projectId, one]))
      await labelProjects(database, [...byProject.values()])
      return wanted.map(() => undefined)
    },
  })
  const effects = createBatcher<CredentialEffect, void>({
    maxSize: 200,
    concurrency: 1,
    flush: async (told) => {
      await applyCredentialResults(database, oneEffectPerCredential(told))
      return told.map(() => undefined)
    },
  })

  const apply = (effect: CredentialEffect | null): Promise<void> =>
    effect === null ? Promise.resolve() : effects.add(effect).catch(dropped)

  return {
    check: ({ projectId, credentialId, age }) => {
      const wanted = credentialOf(projectId)
      if (wanted === credentialId) {
        if (!refused.outdates(credentialId, age())) return
        throw new RefusedCredentialError('its credential was refused after it was paid for')
      }
      labels.add({ projectId, credentialId: wanted }).catch(dropped)
      throw new OtherCredentialError('the project has another credential than the one that has paid')
    },
    tell: (call, news) => {
      metrics.credential.calls.inc({ credential: nameOf(call.credentialId), result: news.kind })
      const told = apply(credentialEffect(news, call))
      if (news.kind === 'refused') refused.refused(call.credentialId, told)
    },
    putBack: (projectId, payment) => {
      const call = { credentialId: credentialOf(projectId), credentialProbing: false, payment }
      void apply(credentialEffect({ kind: 'unused' }, call))
    },
    drained: async () => {
      await Promise.all([labels.drained(), effects.drained()])
    },
  }
}
