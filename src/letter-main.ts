import { buffer } from 'node:stream/consumers'
import { ConfigError } from './config.ts'
import { readJwe } from './contracts/jwe.ts'
import { type Environment, valuesOf } from './environment.ts'
import { coerceError } from './runtime/errors.ts'
import { EXIT_CONFIG, EXIT_USAGE } from './runtime/exit-codes.ts'
import { createJweBox } from './secrets/jwe-box.ts'
import { readLetter } from './secrets/read-letter.ts'
import type { SecretKey } from './secrets/seal.ts'
import { SEALED_TYPE } from './secrets/unseal-letter.ts'
import { secretKeys } from './setting-kinds.ts'

const USAGE = `Shows the body of a dead letter (docs/operations.md), without what may be a secret, with the
service's SECRET_KEYS (or SECRET_KEYS_FILE):

  npm run --silent letter < body
`

/** Reads the body from standard input, whatever its type: what has the form of a sealed one is opened. */
async function show(): Promise<void> {
  const body = await buffer(process.stdin)
  const contentType = readJwe(body.toString('latin1').trim()).ok ? SEALED_TYPE : undefined
  const trimmed = contentType === undefined ? body : Buffer.from(body.toString('latin1').trim(), 'latin1')
  const box = createJweBox(secretKeysOf(process.env))
  console.log(JSON.stringify(await readLetter(box, { body: trimmed, contentType }), null, 2))
}

/** Of the environment these alone, as the service reads them. */
function secretKeysOf(env: Environment): SecretKey[] {
  const { values, faults } = valuesOf(env, ['SECRET_KEYS'], ['SECRET_KEYS'])
  if (faults.length > 0) throw new ConfigError(faults)
  const parsed = secretKeys.safeParse(values.SECRET_KEYS)
  if (parsed.success) return parsed.data
  throw new ConfigError(parsed.error.issues.map(({ message }) => `SECRET_KEYS: ${message}`))
}

async function run(): Promise<number> {
  if (process.argv.length > 2) {
    console.error(USAGE)
    return EXIT_USAGE
  }
  try {
    await show()
    return 0
  } catch (error) {
    console.error(`letter: ${coerceError(error).message}`)
    return error instanceof ConfigError ? EXIT_CONFIG : 1
  }
}

process.exitCode = await run()
