/** A JSON Schema, draft 2020-12. */
export type JsonSchema = { [keyword: string]: unknown }

/**
 * What may be a plain value or null, as one schema of two types: to generators of code, alternatives are a union.
 * Anything else stays as it is.
 */
export function joinNull(schema: JsonSchema): JsonSchema {
  const { anyOf, ...others } = schema
  if (!Array.isArray(anyOf) || anyOf.length !== 2) return schema
  const [some, none] = anyOf as [JsonSchema, JsonSchema]
  const isPlain = typeof some.type === 'string' && !('properties' in some || 'enum' in some)
  return none.type === 'null' && isPlain ? { ...some, ...others, type: [some.type, 'null'] } : schema
}
