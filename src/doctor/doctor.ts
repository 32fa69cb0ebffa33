import { pino } from 'pino'
import { createUpstreamClock } from '../clouddc/auth/upstream-clock.ts'
import { createIamTransport } from '../clouddc/iam/iam-call.ts'
import type { Config, Environment } from '../config.ts'
import { settingsWithoutEffect } from '../config.ts'
import { createDatabase, type Database } from '../database/database.ts'
import { readAuthorities } from '../runtime/tls-files.ts'
import { lengthOf } from './ages.ts'
import { checkBroker } from './check-broker.ts'
import { checkBudget } from './check-budget.ts'
import { checkCall, HELD_BACK } from './check-call.ts'
import { checkCredential, type Proof } from './check-credential.ts'
import { checkDatabase } from './check-database.ts'
import { checkRegion, whereaboutsOf } from './check-region.ts'
import { type Finding, type Found, fault, isSound, look, ok, skipped, warning } from './finding.ts'
import { readSoundSettings, type SoundSettings } from './sound-settings.ts'

export interface DoctorOptions {
  environment: Environment
  projectId: string
  /** Whether CloudDC is called while the project's calls are held back. */
  now: boolean
}

/** A smaller difference may be the way of the answer. */
const CLOCK_NOTED_MS = 60_000

/**
 * Looks at everything that an order of a project passes, one thing after the other; what can still be looked at after a
 * fault is. Orders nothing, declares nothing, and makes one reading call, paid from the project's budget.
 */
export async function examine({ environment, projectId, now }: DoctorOptions): Promise<Finding[]> {
  const settings = readSoundSettings(environment)
  const { config } = settings
  const configuration = await look('configuration', () => configurationOf(settings, environment, projectId))
  if (config === null) return [configuration]
  const database = createDatabase({
    url: config.databaseUrl,
    poolSize: 2,
    logger: pino({ level: 'silent' }),
  })
  try {
    const stored = settings.isSound('DATABASE_')
      ? await checkDatabase(database, config.databaseUrl)
      : [notLookedAt('database', 'DATABASE_')]
    const broker = settings.isSound('AMQP_')
      ? await checkBroker(config.amqpUrl)
      : [notLookedAt('broker', 'AMQP_')]
    const hasTables = stored.some((finding) => finding.name === 'migrations' && isSound(finding))
    const cloud =
      settings.isSound('CLOUDDC_') && settings.isSound('IAM_')
        ? await examineCloud({ config, projectId, now, database: hasTables ? database : null })
        : [notLookedAt('CloudDC', 'CLOUDDC_, IAM_')]
    return [configuration, ...stored, ...broker, ...cloud]
  } finally {
    await database.close()
  }
}

async function examineCloud({
  config,
  projectId,
  now,
  database,
}: {
  config: Config
  projectId: string
  now: boolean
  database: Database | null
}): Promise<Finding[]> {
  const { credentials } = config
  const home = {
    endpoint: config.clouddcEndpoint,
    region: config.clouddcRegion,
    iamEndpoint: config.iamEndpoint,
  }
  const logger = pino({ level: 'silent' })
  const clock = createUpstreamClock()
  const ca = config.clouddcCaFile === null ? undefined : readAuthorities(config.clouddcCaFile)
  const transport = createIamTransport({ ca })
  const whereabouts = whereaboutsOf(projectId, home, credentials)
  let proof: Proof | null = null
  try {
    const region = await look('region', () => checkRegion(whereabouts))
    const credential = await look('credential', async () => {
      const file = config.clouddcCredentialsFile
      const checked = await checkCredential({
        projectId,
        credentials,
        file,
        whereabouts,
        transport,
        clock,
        logger,
      })
      proof = checked.proof
      return checked.found
    })
    let holdsBack = false
    const budget = await look('budget', async () => {
      if (database === null) return skipped('the database is not there to ask')
      const checked = await checkBudget(database, projectId, now)
      holdsBack = checked.holdsBack
      return checked.found
    })
    const { endpoint } = whereabouts
    const { callTimeoutMs } = config
    const call = await look('call', () => {
      if (!isSound(region)) return skipped('there is no way to CloudDC')
      if (proof === null) return skipped('there is no credential to show')
      if (holdsBack) return skipped(HELD_BACK)
      return checkCall({ projectId, endpoint, database, now, proof, callTimeoutMs, ca, logger })
    })
    return [region, credential, budget, call, await look('clock', () => clockOf(proof))]
  } finally {
    await transport.close()
  }
}

function clockOf(proof: Proof | null): Found {
  const times = proof?.times() ?? null
  if (times === null) return skipped('CloudDC has not said what time it is')
  const aheadMs = times.theirs - times.ours
  if (Math.abs(aheadMs) < CLOCK_NOTED_MS) return ok("this machine's clock agrees with CloudDC's")
  return warning(
    `this machine's clock is ${lengthOf(Math.abs(aheadMs))} ${aheadMs > 0 ? 'behind' : 'ahead of'} CloudDC's, which is followed`,
    'set it right (NTP)',
  )
}

function configurationOf(
  { config, faults }: SoundSettings,
  environment: Environment,
  projectId: string,
): Found {
  const next = 'correct these settings (README, Configuration)'
  if (faults.length > 0) return fault(faults.join('\n'), next)
  if (config === null) return fault('the environment makes no configuration', next)
  if (config.projects !== '*' && !config.projects.has(projectId))
    return fault(`PROJECTS does not list ${projectId}: its orders are rejected`, 'add it to PROJECTS')
  const idle = settingsWithoutEffect(environment)
  if (idle.length > 0) return warning(`sound; without effect: ${idle.join(', ')}`, 'take them away')
  return ok(`sound; roles ${[...config.roles].join(', ')}`)
}

function notLookedAt(name: string, prefixes: string): Finding {
  return { name, ...skipped(`settings ${prefixes}... are at fault`) }
}
