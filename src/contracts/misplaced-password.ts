import type { Findings, Step } from './fault.ts'

/**
 * Finds a password in members that are stored and shown as they are, in their texts and names. `value` may be any
 * JSON, without the password's own member; `path` is where it stands.
 */
export function findMisplacedPassword(
  value: unknown,
  password: string,
  path: readonly Step[],
  findings: Findings,
): void {
  const check = (text: string, step: Step) => {
    if (text.includes(password)) findings.add([...path, step], 'must not contain the password')
  }
  const look = (inner: unknown, step: Step) => {
    if (typeof inner === 'string') check(inner, step)
    else findMisplacedPassword(inner, password, [...path, step], findings)
  }
  if (Array.isArray(value)) for (const [index, element] of value.entries()) look(element, index)
  else if (typeof value === 'object' && value !== null) {
    for (const [place, [name, member]] of Object.entries(value).entries()) {
      check(name, { name, place })
      look(member, { name, place })
    }
  }
}
