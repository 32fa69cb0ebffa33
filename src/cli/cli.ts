import type { Environment } from '../environment.ts'
import { coerceError } from '../runtime/errors.ts'
import { createApi } from './api.ts'
import { findVerb, readArguments } from './arguments.ts'
import { CommandError, EXIT } from './command-error.ts'
import { CALL, helpOf, helpOfAll } from './help.ts'
import { readSettings } from './settings.ts'
import { createTerminal, type Output } from './terminal.ts'
import { harmless } from './text-width.ts'
import type { Verb } from './verb.ts'

/**
 * Carries out a command line, and tells on the terminal what went wrong.
 * @returns the exit code of the process: see EXIT
 */
export async function runCli(
  verbs: readonly Verb[],
  args: readonly string[],
  {
    environment,
    stdin,
    output,
    errors,
  }: { environment: Environment; stdin: NodeJS.ReadStream; output: Output; errors: Output },
): Promise<number> {
  const terminal = createTerminal({ output, errors, environment })
  // Before the verb is known, for a fault that is told of its name.
  let json = args.includes('--json')
  let verb: Verb | undefined
  try {
    const isHelp = (arg: string | undefined) => arg === undefined || ['--help', '-h', 'help'].includes(arg)
    if (isHelp(args.find((arg) => arg !== '--json'))) {
      terminal.line(helpOfAll(verbs))
      return args.length === 0 ? EXIT.wrong_use : EXIT.done
    }
    const found = findVerb(verbs, args)
    verb = found.verb
    const line = readArguments(verb, found.rest)
    json = line.json
    if (line.help) {
      terminal.line(helpOf(verb))
      return EXIT.done
    }
    const carryOut = verb.prepare(line.given)
    const { amqpUrl, ...settings } = readSettings(environment)
    const api = createApi(settings, verb.role)
    return EXIT[await carryOut({ api, terminal, json, environment, stdin, amqpUrl })]
  } catch (error) {
    const fault = error instanceof CommandError ? error : unexpected(error)
    const help =
      fault.ending === 'wrong_use' && fault.next === null
        ? `${CALL} ${verb ? `${verb.name} ` : ''}--help`
        : null
    const next = fault.next ?? help
    if (json) {
      const { code, message } = fault
      terminal.note(JSON.stringify({ error: { code, message, next } }))
    } else {
      const lines = fault.message.split('\n').map(harmless)
      terminal.note(`${terminal.paint('red', 'provisioner:')} ${lines.join('\n')}`)
      if (next !== null) terminal.note(`  -> ${next}`)
    }
    return EXIT[fault.ending]
  }
}

function unexpected(error: unknown): CommandError {
  const { message } = coerceError(error)
  return new CommandError('failed', 'failed', message, { cause: error })
}
