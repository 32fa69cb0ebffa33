import { createDiscretion, type Discretion, isSecretName } from './discretion.ts'
import { isPlainObject } from './plain-object.ts'
import { CONTRACT_NAMES } from './request-schema.ts'
import { parseStrictJson, readSecrets } from './strict-json.ts'

const HIDDEN = '(hidden)'
const UNKNOWN = '(unknown)'
/** Members in which anything may stand. */
const FREE_TEXT = new Set(['description'])
/** Members that hold others: a text in their place may be all of that, written as JSON twice. */
const HOLDERS = new Set<string | undefined>([
  undefined,
  ...['data', 'spec', 'metadata', 'network_interfaces', 'placement'],
])

/**
 * A message's JSON as an operator may see it: only what stands under names that the contract knows and that are no
 * secret's, and of that no text that holds a secret. Undefined where it cannot be read as JSON.
 */
export function redactMessage(body: Buffer): unknown {
  const json = parseStrictJson(body)
  if (json.value === undefined) return undefined
  const secrets = json.ok ? readSecrets(body) : json.reading.secrets
  const malformed = !json.ok && json.reading.malformed
  return redact(json.value, createDiscretion({ known: CONTRACT_NAMES, malformed, secrets }), undefined)
}

/** `holder` is the name of the member in whose place the value stands; undefined for the message itself. */
function redact(value: unknown, discretion: Discretion, holder: string | undefined): unknown {
  if (Array.isArray(value)) return value.map((element) => redact(element, discretion, holder))
  if (typeof value === 'string' && HOLDERS.has(holder)) return HIDDEN
  if (!isPlainObject(value)) return discretion.showsText(String(value)) ? value : HIDDEN
  const members = Object.entries(value).map(([name, member], place): [string, unknown] => {
    if (!CONTRACT_NAMES.has(name)) return [discretion.showsName(name) ? name : `${UNKNOWN} ${place}`, HIDDEN]
    return [name, FREE_TEXT.has(name) || isSecretName(name) ? HIDDEN : redact(member, discretion, name)]
  })
  return Object.fromEntries(members)
}
