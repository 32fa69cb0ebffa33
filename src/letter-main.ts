import { buffer } from 'node:stream/consumers'
import { runCommand } from './command.ts'
import { loadConfig } from './config.ts'
import { readJwe } from './contracts/jwe.ts'
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

process.exitCode = await runCommand({
  name: 'letter',
  usage: USAGE,
  order: process.argv.length > 2 ? null : {},
  carryOut: show,
})
