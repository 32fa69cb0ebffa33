/** Escapes in JSON, in order, so that an escaped backslash is never taken for the beginning of another. */
const ESCAPE = /\\(u[0-9a-f]{4}|.)/g
/** NUL and lone surrogates: JSON can express them, PostgreSQL's text cannot. */
const NOT_STORABLE = /^u(?:0000|d[89a-f])/
const SUSPECT = /\\u(?:0000|d[89a-f])/

/**
 * A value as a JSON parameter of a statement. What PostgreSQL would refuse the whole statement for is replaced by
 * U+FFFD, in keys as in values.
 */
export function toJson(value: unknown): string {
  const text = JSON.stringify(value)
  if (!SUSPECT.test(text)) return text
  return text.replace(ESCAPE, (found, code: string) => (NOT_STORABLE.test(code) ? '\ufffd' : found))
}
