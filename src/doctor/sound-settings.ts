import { type Config, ConfigError, type Environment, loadConfig } from '../config.ts'

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
  const env: Record<string, string | undefined> = { ...environment }
  let config: Config | null = null
  for (let round = 0; round < ROUNDS && config === null; round += 1) {
    try {
      config = loadConfig(env)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      const again = new Set<string>()
      for (const told of error.faults) {
        for (const name of settingsOf(told)) {
          // What was left out already may be required by another setting.
          if (unsound.has(name)) again.add(name)
          unsound.add(name)
        }
        if (!settingsOf(told).some((name) => again.has(name))) faults.push(told)
      }
      for (const name of unsound) {
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
    .map((name) => (`${name.replace(/_FILE$/, '')}` in STAND_INS ? name.replace(/_FILE$/, '') : name))
}
