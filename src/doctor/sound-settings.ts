import { type Config, ConfigError, type Environment, loadConfig } from '../config.ts'
import { withNamesOfTheSdk } from '../environment.ts'

/** What stands in for a required setting that is missing or at fault. Nobody listens there. */
const STAND_INS: Readonly<Record<string, string>> = {
  DATABASE_URL: 'postgresql://127.0.0.1:9/none',
  AMQP_URL: 'amqp://127.0.0.1:9',
  CLOUDDC_ENDPOINT: 'http://127.0.0.1:9',
  SECRET_KEYS: `none:${Buffer.alloc(32).toString('base64')}`,
}
/** What makes up for a setting that is required by another one. */
const MAKE_UP: Readonly<Record<string, Environment>> = {
  CLOUDDC_CREDENTIALS_FILE: { CLOUDDC_INSECURE: 'on' },
  API_ACCESS_FILE: { API_ACCESS: 'open' },
}
/** What goes with a setting that is left out, since it means nothing, or another thing, without it. */
const COMPANIONS: Readonly<Record<string, readonly string[]>> = {
  CLOUDDC_ACCESS_KEY: ['CLOUDDC_SECRET_KEY', 'CLOUDDC_SECURITY_TOKEN'],
  CLOUDDC_SECRET_KEY: ['CLOUDDC_ACCESS_KEY', 'CLOUDDC_SECURITY_TOKEN'],
  AMQP_CERT_FILE: ['AMQP_KEY_FILE'],
  HTTP_CERT_FILE: ['HTTP_KEY_FILE'],
  HTTP_KEY_FILE: ['HTTP_CERT_FILE'],
  POLL_MIN_MS: ['POLL_MAX_MS'],
  RETENTION_DAYS: ['IDEMPOTENCY_DAYS'],
}
/** Some faults show only once others are gone. */
const ROUNDS = 10

export interface SoundSettings {
  /** From what of the environment is sound; null when nothing can be made of it. */
  config: Config | null
  /** All faults, also those that a start would tell of only later. */
  faults: readonly string[]
  /** Whether no setting is at fault whose name begins like this. */
  isSound(prefix: string): boolean
}

/** Reads the configuration as a start does, and goes on without the settings that are at fault. Pure but for files. */
export function readSoundSettings(environment: Environment): SoundSettings {
  const faults: string[] = []
  const unsound = new Set<string>()
  // Under our names alone: what is left out must not come back under those of the SDK.
  const env: Record<string, string | undefined> = Object.fromEntries(
    Object.entries(withNamesOfTheSdk(environment)).filter(([name]) => !name.startsWith('HUAWEICLOUD_SDK_')),
  )
  let config: Config | null = null
  for (let round = 0; round < ROUNDS && config === null; round += 1) {
    try {
      config = loadConfig(env)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      // What was left out already may be required by another setting.
      const again = new Set(error.faults.flatMap(settingsOf).filter((name) => unsound.has(name)))
      for (const told of error.faults) {
        const names = settingsOf(told)
        if (!names.some((name) => again.has(name))) faults.push(told)
        for (const name of names) unsound.add(name)
      }
      for (const name of unsound) {
        for (const companion of COMPANIONS[name] ?? []) {
          delete env[`${companion}_FILE`]
          delete env[companion]
        }
        delete env[`${name}_FILE`]
        env[name] = STAND_INS[name]
        Object.assign(env, again.has(name) ? MAKE_UP[name] : {})
      }
    }
  }
  return {
    config,
    faults,
    isSound: (prefix) => ![...unsound].some((name) => name.startsWith(prefix)),
  }
}

/** The names of the settings that a fault is about, as they stand before its first colon. */
function settingsOf(told: string): string[] {
  const names = /^[A-Z0-9_, ]+/.exec(told)?.[0].split(/[, ]+/) ?? []
  return names
    .filter((name) => name !== '')
    .map((name) => {
      const secret = name.replace(/_FILE$/, '')
      return secret in STAND_INS ? secret : name
    })
}
