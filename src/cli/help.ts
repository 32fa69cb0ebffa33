import { COMMON } from './arguments.ts'
import type { Options } from './option.ts'
import { shownName, type Verb } from './verb.ts'

/** How the command is called from a checkout. */
export const CALL = 'npm run --silent provisioner --'

const SETTINGS = `Settings: PROVISIONER_URL (http://127.0.0.1:8080), PROVISIONER_TOKEN or PROVISIONER_TOKEN_FILE; AMQP_URL for
publish and events, with AMQP_CA_FILE, AMQP_CERT_FILE and AMQP_KEY_FILE. Exit codes: 0 done, 1 refused or failed, 2 wrong use, 3 not found. More: docs/cli.md`

/** The verb with its arguments: `status <project> <request>`. Those that may be left out stand in brackets. */
export function usageOf({ name, places }: Verb): string {
  const words = Object.entries(places).map(([place, { isRequired }]) =>
    isRequired ? `<${place}>` : `[<${place}>]`,
  )
  return [name, ...words].join(' ')
}

export function helpOf(verb: Verb): string {
  const { says, places, options, examples, notes } = verb
  const sections = [
    `${says}\n\n  ${CALL} ${usageOf(verb)}${Object.keys(options).length > 0 ? ' [options]' : ''}`,
    listOf('Arguments, by their places or as options', places, (name) => shownName(name)),
    listOf('Options', { ...options, ...COMMON }, (name) => shownName(name)),
    ...(notes === null ? [] : [notes]),
    `Examples:\n${examples.map((example) => `  ${CALL} ${example}`).join('\n')}`,
    SETTINGS,
  ]
  return sections.filter((section) => section !== '').join('\n\n')
}

function listOf(title: string, options: Options, nameOf: (name: string) => string): string {
  const rows = Object.entries(options).map(([name, { shows, says, isRequired }]) => {
    const left = shows === null ? nameOf(name) : `${nameOf(name)} ${shows}`
    return [left, `${says}${isRequired ? ' (required)' : ''}`] as const
  })
  if (rows.length === 0) return ''
  const width = Math.max(...rows.map(([left]) => left.length))
  return [`${title}:`, ...rows.map(([left, says]) => `  ${left.padEnd(width)}  ${says}`)].join('\n')
}

export function helpOfAll(verbs: readonly Verb[]): string {
  const width = Math.max(...verbs.map((verb) => usageOf(verb).length))
  const lines = verbs.map((verb) => `  ${usageOf(verb).padEnd(width)}  ${verb.says}`)
  return [
    `Orders servers, and operates the service that orders them.\n\n  ${CALL} <verb> [arguments] [options]`,
    `Verbs:\n${lines.join('\n')}`,
    `${CALL} <verb> --help tells more of one. ${SETTINGS}`,
  ].join('\n\n')
}

/** The rows of the README's table of verbs. */
export function readmeRows(verbs: readonly Verb[]): string[] {
  return verbs.map((verb) => `| \`${usageOf(verb)}\` | ${verb.says} | ${verb.role ?? ''} |`)
}
