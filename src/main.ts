import { type App, createApp } from './app.ts'
import { type Config, ConfigError, loadConfig, settingsWithoutEffect } from './config.ts'
import { createLogger } from './logger.ts'
import { EXIT_CONFIG } from './runtime/exit-codes.ts'
import { boundMemory } from './runtime/memory-bounds.ts'

function readConfig(): Config {
  try {
    return loadConfig(process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(EXIT_CONFIG)
  }
}

boundMemory(process)
const config = readConfig()
const logger = createLogger({ level: config.logLevel })
const withoutEffect = settingsWithoutEffect(process.env)
if (withoutEffect.length > 0)
  logger.warn({ settings: withoutEffect }, 'settings that have no effect any more')

process.on('uncaughtException', (error) => {
  logger.fatal({ err: error }, 'uncaught exception')
  process.exit(1)
})
process.on('unhandledRejection', (reason) => {
  logger.fatal({ err: reason }, 'unhandled rejection')
  process.exit(1)
})

const app: App = createApp({ config, logger })

/**
 * A terminal signals the whole group and npm passes the signal on: two signals within this many milliseconds are one.
 */
const SAME_SIGNAL_MS = 500

let stoppingSince: number | undefined
async function stop(signal: NodeJS.Signals): Promise<void> {
  if (stoppingSince !== undefined) {
    if (performance.now() - stoppingSince < SAME_SIGNAL_MS) return
    logger.warn({ signal }, 'second signal, ending at once')
    process.exit(1)
  }
  stoppingSince = performance.now()
  logger.info({ signal, graceMs: config.shutdownGraceMs }, 'stopping')
  setTimeout(() => {
    logger.error('not stopped in time, ending; what is in flight is taken over when the lease runs out')
    process.exit(1)
  }, config.shutdownGraceMs).unref()
  try {
    await app.stop()
    logger.info('stopped')
    process.exit(0)
  } catch (error) {
    logger.error({ err: error }, 'stopped with an error')
    process.exit(1)
  }
}
process.on('SIGTERM', (signal) => void stop(signal))
process.on('SIGINT', (signal) => void stop(signal))

try {
  await app.start()
} catch (error) {
  logger.fatal({ err: error }, 'cannot start')
  process.exit(1)
}
