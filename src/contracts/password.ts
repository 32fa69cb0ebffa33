/** Of these kinds of characters, three at least. \x5b is [, which some read as the begin of a class within the class. */
const KINDS = ['A-Z', 'a-z', '0-9', '!@$%^\\-_=+\\x5b{}\\]:,./?']
const CHARACTER_CLASSES = KINDS.map((kind) => new RegExp(`[${kind}]`))
const MIN_CLASSES = 3
/** The request does not say which system it installs, so both administrators' names are barred, in exact case. */
const USER_NAMES = ['root', 'toor', 'Administrator', 'rotartsinimdA']

/** Code points. */
export const MIN_LENGTH = 8
export const MAX_LENGTH = 26
/** Of a longer text, in UTF-16 units, no more is said than that it is too long. */
const MAX_READ = 1000

/** Three kinds of four: there is no pair of kinds of which both are missing. */
const PAIRS_OF_KINDS = KINDS.flatMap((kind, index) =>
  KINDS.slice(index + 1).map((other) => `[${kind}${other}]`),
)

/** The same rules in JSON Schema; in `not`, since generators of code make a union of alternatives elsewhere. */
export const PASSWORD_KEYWORDS = {
  minLength: MIN_LENGTH,
  maxLength: MAX_LENGTH,
  not: {
    type: 'string',
    anyOf: [{ pattern: USER_NAMES.join('|') }, ...PAIRS_OF_KINDS.map((pattern) => ({ not: { pattern } }))],
  },
}

/** What CloudDC objects to in a password, without quoting any of it. */
export function passwordFaults(text: string): string[] {
  const faults: string[] = []
  if (!hasPasswordLength(text)) faults.push(`must have ${MIN_LENGTH} to ${MAX_LENGTH} characters`)
  if (text.length > MAX_READ) return faults
  if (!hasPasswordMixture(text)) {
    faults.push(
      'must have three of: capital letters, small letters, digits, special characters !@$%^-_=+[{}]:,./?',
    )
  }
  if (USER_NAMES.some((name) => text.includes(name))) {
    faults.push('must not contain an administrator name (root, Administrator), forwards or backwards')
  }
  return faults
}

export function hasPasswordLength(text: string): boolean {
  return isLongerThan(text, MIN_LENGTH - 1) && !isLongerThan(text, MAX_LENGTH)
}

/** Whether it has as many kinds of characters as a password. */
export function hasPasswordMixture(text: string): boolean {
  return CHARACTER_CLASSES.filter((characters) => characters.test(text)).length >= MIN_CLASSES
}

export function isLongerThan(text: string, codePoints: number): boolean {
  // A code point is one or two units of a string.
  if (text.length <= codePoints) return false
  return text.length > 2 * codePoints || [...text].length > codePoints
}
