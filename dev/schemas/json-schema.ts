import { z } from 'zod'
import { type JsonSchema, joinNull } from '../../src/contracts/json-schema.ts'

/** A schema of its own, and the named ones that it refers to as `#/$defs/<name>`. */
export interface Bundle {
  root: JsonSchema
  named: Readonly<Record<string, JsonSchema>>
}

const DRAFT = 'https://json-schema.org/draft/2020-12/schema'

/** Keywords in the order in which people read them; others stand between. */
const FIRST = ['$schema', '$id', 'title', 'description', '$ref', 'type', 'const', 'enum', 'format', 'pattern']
const LAST = ['examples', 'properties', 'required', 'additionalProperties', 'if', 'then', 'else', '$defs']

/**
 * What a zod schema says of JSON texts, for validators and for generators of code: every object with a title becomes a
 * named schema, what may be null has two types where that says it, and patterns use no properties of Unicode, which
 * few engines know.
 *
 * @param open whether objects may have members beyond those they list: readers must bear what later versions add
 */
export function describe(schema: z.ZodType, { open }: { open: boolean }): Bundle {
  let named: Record<string, JsonSchema> = {}
  const described = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      if (open && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
    },
  })
  const { $schema: _, ...whole } = mapSchemas(described as JsonSchema, simplify)
  /** Puts an object that has a title among the named ones, and a reference in its place. */
  const hoist = (inner: JsonSchema): JsonSchema => {
    if (typeof inner.title !== 'string' || inner.title === whole.title || !('properties' in inner))
      return inner
    named = merge(named, { [inner.title]: inner })
    return { $ref: `#/$defs/${inner.title}` }
  }
  const root = mapSchemas(whole, hoist)
  return { root, named }
}

/** The bundle as a document of its own. */
export function toDocument(id: string, { root, named }: Bundle): JsonSchema {
  const defs = Object.keys(named).length === 0 ? {} : { $defs: named }
  return mapSchemas({ $schema: DRAFT, $id: id, ...root, ...defs }, sortKeywords)
}

/** The root among the named schemas, under its title. */
export function allNamed({ root, named }: Bundle): Record<string, JsonSchema> {
  return { ...named, [String(root.title)]: root }
}

/** Throws where two schemas of one name differ. */
export function merge(...parts: Readonly<Record<string, JsonSchema>>[]): Record<string, JsonSchema> {
  const merged: Record<string, JsonSchema> = {}
  for (const [name, schema] of parts.flatMap((part) => Object.entries(part))) {
    const known = merged[name]
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(schema))
      throw new Error(`two schemas are named ${name}`)
    merged[name] = schema
  }
  return merged
}

/** Keywords whose value is a schema, a list of schemas, or schemas by name. */
const ONE = ['additionalProperties', 'contentSchema', 'else', 'if', 'items', 'not', 'propertyNames', 'then']
const LISTS = ['allOf', 'anyOf', 'oneOf']
const MAPS = ['$defs', 'properties']

/** The schema with `change` made to each one inside it, the inner before the outer. */
function mapSchemas(schema: JsonSchema, change: (schema: JsonSchema) => JsonSchema): JsonSchema {
  const inner = (value: unknown): unknown =>
    typeof value === 'object' && value !== null ? mapSchemas(value as JsonSchema, change) : value
  const members = Object.entries(schema).map(([keyword, value]): [string, unknown] => {
    if (ONE.includes(keyword)) return [keyword, inner(value)]
    if (LISTS.includes(keyword)) return [keyword, (value as unknown[]).map(inner)]
    if (!MAPS.includes(keyword)) return [keyword, value]
    const named = Object.entries(value as JsonSchema)
    return [keyword, Object.fromEntries(named.map(([name, member]) => [name, inner(member)]))]
  })
  return change(Object.fromEntries(members))
}

function sortKeywords(schema: JsonSchema): JsonSchema {
  const rank = (keyword: string) => {
    const first = FIRST.indexOf(keyword)
    return first >= 0 ? first : FIRST.length + 1 + LAST.indexOf(keyword)
  }
  return Object.fromEntries(Object.entries(schema).toSorted(([one], [other]) => rank(one) - rank(other)))
}

function simplify(schema: JsonSchema): JsonSchema {
  if (typeof schema.pattern !== 'string') return joinNull(schema)
  return { ...schema, pattern: schema.pattern.replaceAll('\\p{Script=Han}', hanRanges) }
}

/** What `\p{Script=Han}` stands for, in the characters themselves, as far as every engine takes these for one each. */
function hanRanges(): string {
  const ranges: string[] = []
  let first: number | undefined
  for (let code = 0x2e80; code <= 0xffff; code += 1) {
    const isHan = /\p{Script=Han}/u.test(String.fromCodePoint(code))
    if (isHan) first ??= code
    else if (first !== undefined) {
      const [from, to] = [String.fromCodePoint(first), String.fromCodePoint(code - 1)]
      ranges.push(from === to ? from : `${from}-${to}`)
      first = undefined
    }
  }
  return ranges.join('')
}
