import { parseArgs } from 'node:util'
import { wrongUse } from './command-error.ts'
import { nearest } from './nearest.ts'
import { flag, type Option, type Options } from './option.ts'
import { type Given, shownName, type Verb } from './verb.ts'

/** Options of every verb. */
export const COMMON: Options = {
  json: flag('print JSON, for programs'),
  help: flag('show this help'),
}

export interface ReadLine {
  given: Given
  json: boolean
  help: boolean
}

/** The verb that the first words name, and what follows them. Throws a CommandError where there is none. */
export function findVerb(verbs: readonly Verb[], args: readonly string[]): { verb: Verb; rest: string[] } {
  const words = args.filter((arg) => !arg.startsWith('-'))
  const [first = '', second] = words
  const verb =
    verbs.find(({ name }) => name === first) ?? verbs.find(({ name }) => name === `${first} ${second}`)
  if (verb !== undefined) return { verb, rest: without(args, verb.name.split(' ')) }
  const names = verbs.map(({ name }) => name)
  const below = names.filter((name) => name.startsWith(`${first} `))
  if (below.length > 0) {
    const choices = below.map((name) => name.slice(first.length + 1))
    const guess = second === undefined ? null : nearest(second, choices)
    const fault = second === undefined ? `${first} needs another word` : `${first} has no ${second}`
    throw wrongUse(fault, guess === null ? `one of: ${below.join(', ')}` : `did you mean ${first} ${guess}?`)
  }
  const guess = nearest(second === undefined ? first : `${first} ${second}`, names) ?? nearest(first, names)
  throw wrongUse(
    `there is no verb ${first}`,
    guess === null ? '--help lists all verbs' : `did you mean ${guess}?`,
  )
}

/** The arguments without these words, where they first stand. */
function without(args: readonly string[], words: readonly string[]): string[] {
  const rest = [...args]
  for (const word of words) rest.splice(rest.indexOf(word), 1)
  return rest
}

/** What was given to a verb, as text. Throws a CommandError for what the verb does not have. */
export function readArguments(verb: Verb, args: readonly string[]): ReadLine {
  const known = new Map<string, { name: string; option: Option<unknown> }>()
  for (const [name, option] of Object.entries({ ...verb.places, ...verb.options, ...COMMON }))
    known.set(shownName(name).slice(2), { name, option })
  const options = Object.fromEntries(
    [...known].map(([name, { option }]) => [name, { type: option.shows === null ? 'boolean' : 'string' }]),
  ) as Record<string, { type: 'boolean' | 'string' }>
  const { tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })

  const given: Record<string, string> = {}
  const places = Object.keys(verb.places)
  const words: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value)
    if (token.kind !== 'option') continue
    if (token.rawName === '-h') return { given, json: false, help: true }
    const found = token.rawName.startsWith('--') ? known.get(token.name) : undefined
    if (found === undefined) throw unknownOption(token.rawName, [...known.keys()])
    const { name, option } = found
    if (given[name] !== undefined) throw wrongUse(`--${token.name} is given twice`)
    given[name] = textOf(token, option)
  }
  for (const name of places)
    if (given[name] === undefined && words.length > 0) given[name] = words.shift() ?? ''
  const [extra] = words
  const { json, help, ...own } = given
  if (extra !== undefined && help === undefined)
    throw wrongUse(`${verb.name} does not take ${JSON.stringify(extra)}`)
  return { given: own, json: json !== undefined, help: help !== undefined }
}

function textOf(
  { name, value, inlineValue }: { name: string; value: string | undefined; inlineValue: boolean | undefined },
  { shows }: Option<unknown>,
): string {
  if (shows === null) {
    if (value !== undefined) throw wrongUse(`--${name} takes no value`)
    return ''
  }
  if (value === undefined) throw wrongUse(`--${name} needs a value: --${name} ${shows}`)
  if (value.startsWith('--') && !inlineValue)
    throw wrongUse(`--${name} needs a value: --${name} ${shows}`, `if ${value} is meant: --${name}=${value}`)
  return value
}

function unknownOption(rawName: string, names: readonly string[]) {
  const guess = nearest(rawName.replace(/^-+/, ''), names)
  return wrongUse(`there is no option ${rawName} here`, guess === null ? null : `did you mean --${guess}?`)
}
