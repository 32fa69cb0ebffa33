import { bodyFormat } from './content-type.ts'
import { findMember } from './json-members.ts'

/**
 * The text of a valid message with `password_jwe` in place of its password, and every other character as it was.
 * Undefined where it has no plain password.
 */
export function replacePassword(
  text: string,
  contentType: string | undefined,
  passwordJwe: string,
): string | undefined {
  const spec = bodyFormat(contentType) === 'cloudevents' ? ['data', 'spec'] : ['spec']
  const plain = findMember(text, [...spec, 'password'])
  if (plain === undefined || text.charAt(plain.valueStart) !== '"') return undefined
  const sealed = findMember(text, [...spec, 'password_jwe'])
  const edits = [
    sealed === undefined
      ? { start: plain.nameStart, end: plain.end, text: `"password_jwe":"${passwordJwe}"` }
      : { start: plain.valueStart, end: plain.end, text: 'null' },
  ]
  // It is there and null.
  if (sealed !== undefined)
    edits.push({ start: sealed.valueStart, end: sealed.end, text: `"${passwordJwe}"` })
  edits.sort((a, b) => b.start - a.start)
  return edits.reduce(
    (result, edit) => result.slice(0, edit.start) + edit.text + result.slice(edit.end),
    text,
  )
}
