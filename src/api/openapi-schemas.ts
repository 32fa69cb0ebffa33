import { joinNull } from '../contracts/json-schema.ts'

/** The document with plain schemas, and those of its named ones that something refers to, by their names. */
export function tidyDocument<Document extends object>(document: Document): Document {
  const tidy = simplify(document) as Document & { components?: { schemas?: Record<string, unknown> } }
  const { components, ...others } = tidy
  const named = components?.schemas ?? {}
  const used = new Set<string>()
  const follow = (part: unknown) => {
    for (const [, name = ''] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      if (used.has(name)) continue
      used.add(name)
      follow(named[name] ?? {})
    }
  }
  follow(others)
  const schemas = Object.fromEntries([...used].toSorted().map((name) => [name, named[name]]))
  return { ...tidy, components: { ...components, schemas } }
}

function simplify(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(simplify)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value)
    .filter(([name, member]) => !isSelfEvident(name, member))
    .map(([name, member]) => [name, name.startsWith('example') ? member : simplify(member)])
  return joinNull(Object.fromEntries(members))
}

/** Names are texts, and a list that the code does not change is a list. */
function isSelfEvident(keyword: string, value: unknown): boolean {
  return (
    (keyword === 'propertyNames' && JSON.stringify(value) === '{"type":"string"}') ||
    (keyword === 'readOnly' && value === true)
  )
}
