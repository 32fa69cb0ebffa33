import { hasPasswordLength, hasPasswordMixture } from './password.ts'
import { createSecretSearch, RECOGNISABLE } from './secret-search.ts'

/** What a text holds under members that are, or were meant to be, secret. */
export interface Secrets {
  /** Every text, number and name below such members. */
  values: readonly string[]
  /** False where the text could not be read to its end: there may be more. */
  complete: boolean
}

/** What of the sender's own words may be shown to others, in a rejection's paths and ids. */
export interface Discretion {
  /** Whether a member's name may be shown. */
  showsName(name: string): boolean
  /** Whether an id or a property of the message may be published: not when it holds a secret. */
  showsText(text: string): boolean
}

/** Any three letters in a row that survive one slip in `password`, and the other words for it. */
const SECRET_NAME = /pas|ssw|swo|pwd|secret|credential|token/i
const MAX_SECRET_NAME = 100
/** Names that people use for a password; like the contract's own names they reveal nothing. */
const USUAL_SECRET_NAMES = new Set([
  'password',
  'passwd',
  'pass',
  'pwd',
  'adminpass',
  'adminpassword',
  'secret',
])

/** Whether a member may be meant for a secret, also with a slip in its name. No path goes below it. */
export function isSecretName(name: string): boolean {
  return name.length <= MAX_SECRET_NAME && SECRET_NAME.test(name)
}

/** Whether some member of a JSON text may have such a name; letters may be escaped. */
export function mayHoldSecrets(text: string): boolean {
  return SECRET_NAME.test(text) || text.includes('\\u')
}

/** What members are commonly named like: `min_cuont`, `Priority`, `cost-center`. */
const PLAUSIBLE_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,39}$/
/** More than this of secrets, in UTF-16 units, is not compared with every name; a sound message has 26 at most. */
const MAX_COMPARED_LENGTH = 1024

/**
 * For a message of this contract. A name that the contract does not know is shown only where the whole text could be
 * read, and when it is plausible and has no four characters in a row in common with a secret. Where the password is
 * missed, any name may be it, and one with digits or with a password's mixture of characters is held back.
 *
 * Of names there may be as many as fit into a message, of texts a few: these are compared with any number of secrets.
 *
 * @param known the contract's own names
 * @param malformed the text is broken or ambiguous: what is a name in it, and what a value, is not certain
 */
export function createDiscretion(options: {
  known: ReadonlySet<string>
  malformed: boolean
  secrets: Secrets
}): Discretion {
  const { known, malformed, secrets } = options
  const length = secrets.values.reduce((sum, value) => sum + value.length, 0)
  const showsNames = !malformed && secrets.complete && length <= MAX_COMPARED_LENGTH
  const values = secrets.values.map((value) => value.toLowerCase())
  const holdsSecret = createSecretSearch(values)
  const all = showsNames ? values.join('\n') : ''
  const passwordFound =
    showsNames && secrets.values.some((value) => hasPasswordLength(value) && hasPasswordMixture(value))

  const resemblesSecret = (name: string) => {
    if (values.includes(name)) return true
    for (let start = 0; start + RECOGNISABLE <= name.length; start += 1) {
      if (all.includes(name.slice(start, start + RECOGNISABLE))) return true
    }
    return false
  }

  return {
    showsName: (name) => {
      if (known.has(name)) return true
      if (!showsNames || !PLAUSIBLE_NAME.test(name)) return false
      if (isSecretName(name)) return USUAL_SECRET_NAMES.has(name.toLowerCase().replaceAll(/[_-]/g, ''))
      if (!passwordFound && (/[0-9]/.test(name) || hasPasswordMixture(name))) return false
      return !resemblesSecret(name.toLowerCase())
    },
    showsText: (text) => secrets.complete && !holdsSecret(text.toLowerCase()),
  }
}
