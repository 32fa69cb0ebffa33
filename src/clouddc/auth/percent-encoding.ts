/**
 * Text as it stands in a URL and under a signature alike: UTF-8, all but `A-Z a-z 0-9 - . _ ~` as %XX. A lone surrogate
 * becomes U+FFFD. The one encoder for what is sent and for what is signed.
 */
export function percentEncode(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** In any order, not encoded; a name may repeat. */
export type Query = readonly (readonly [name: string, value: string])[]

/** A query as it is sent and as it is signed: encoded, sorted by name, then by value. */
export function queryString(query: Query): string {
  return query
    .map(([name, value]) => [percentEncode(name), percentEncode(value)] as const)
    .sort(([nameA, valueA], [nameB, valueB]) => compare(nameA, nameB) || compare(valueA, valueB))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
}

/** By code units, not by locale. */
function compare(one: string, other: string): number {
  if (one === other) return 0
  return one < other ? -1 : 1
}
