import { buffer } from 'node:stream/consumers'
import { ConfigError, loadConfig } from './config.ts'
import { readJwe } from './contracts/jwe.ts'
import { coerceError } from './runtime/errors.ts'
import { EXIT_CONFIG, EXIT_USAGE } from './runtime/exit-codes.ts'
import { createJweBox } from './secrets/jwe-box.ts'
import { readLetter } from './secrets/read-letter.ts'
import { SEALED_TYPE } from './secrets/unseal-letter.ts'

const USAGE = `Shows the body of a dead letter (docs/operations.md), without what may be a secret, in the service's
environment:

  npm run --silent letter < body
`

/** Reads the body from standard input, whatever its type: what has the form of a sealed one is opened. */
async function show(): Promise<void> {
  const body = await buffer(process.stdin)
  const contentType = readJwe(body.toString('latin1').trim()).ok ? SEALED_TYPE : undefined
  const trimmed = contentType === undefined ? body : Buffer.from(body.toString('latin1').trim(), 'latin1')
  const box = createJweBox(loadConfig(process.env, { serves: false }).secretKeys)
  console.log(JSON.stringify(await readLetter(box, { body: trimmed, contentType }), null, 2))
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
