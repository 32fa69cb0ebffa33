import type { Fault } from '../../src/contracts/fault.ts'

/** Rules of request messages for which JSON Schema has no words. Whatever else the service refuses, the schema does. */

export interface Exception {
  /** For people; stands in the schema. */
  rule: string
  /** Whether a fault that the service has found is about this rule. */
  covers(fault: Fault): boolean
}

const told =
  (message: RegExp) =>
  (fault: Fault): boolean =>
    message.test(fault.message)

/** These the schema knows. */
const FORM_OF_JWE = /^must (be a (string|JWE in compact form)|have at most|not be given together)/

export const EXCEPTIONS: readonly Exception[] = [
  { rule: 'max_count is not below min_count', covers: told(/^must not be below min_count$/) },
  {
    rule: 'the password stands in no other member, nor in an AMQP property that events carry',
    covers: told(/^must not contain the password$/),
  },
  {
    rule: 'a password_jwe has the right header, can be opened, and holds a password by the same rules',
    covers: ({ path, message }) => path.endsWith('spec.password_jwe') && !FORM_OF_JWE.test(message),
  },
  {
    rule: 'without a request_id, the AMQP property message_id is set, and has its form',
    covers: ({ path, message }) =>
      /^is missing, and there is no message_id$/.test(message) || path === 'message_id',
  },
  {
    rule: 'the text is UTF-8 without byte order mark, has at most 65,536 bytes and 32 levels, no name twice in one object, and neither NUL characters nor lone surrogates',
    covers: told(/^contains a (NUL character|lone surrogate)$|^duplicate key$|levels/),
  },
]

/** What the service takes and the schema refuses, lest it confuse generators of code or old engines. */
export const STRICTER: readonly string[] = [
  'counts beside a placement, which have no effect, may be fractions',
  'a name may have Chinese characters beyond U+FFFF',
]

/** All of them in one text. */
export function describeExceptions(): string {
  const rules = EXCEPTIONS.map(({ rule }) => rule).join('; ')
  return `Not told here: ${rules}. On the other hand, ${STRICTER.join('; ')}.`
}
