import { runCli } from './cli/cli.ts'
import { VERBS } from './cli/verbs.ts'

// A reader that has seen enough, such as head, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

process.exitCode = await runCli(VERBS, process.argv.slice(2), {
  environment: process.env,
  stdin: process.stdin,
  output: process.stdout,
  errors: process.stderr,
})
