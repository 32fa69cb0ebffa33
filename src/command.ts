import { ConfigError } from './config.ts'
import { coerceError } from './runtime/errors.ts'
import { EXIT_CONFIG, EXIT_USAGE } from './runtime/exit-codes.ts'

/**
 * Carries out a command of `npm run <name>`, and says on the terminal what went wrong.
 * @returns the exit code of the process: 0 done, 1 failed, else one of exit-codes.ts
 */
export async function runCommand<Order>({
  name,
  usage,
  order,
  carryOut,
}: {
  name: string
  usage: string
  /** Null when the arguments are not a valid command. */
  order: Order | null
  carryOut: (order: Order) => Promise<void>
}): Promise<number> {
  if (order === null) {
    console.error(usage)
    return EXIT_USAGE
  }
  try {
    await carryOut(order)
    return 0
  } catch (error) {
    console.error(`${name}: ${coerceError(error).message}`)
    return error instanceof ConfigError ? EXIT_CONFIG : 1
  }
}
