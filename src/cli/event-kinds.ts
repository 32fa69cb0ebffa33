import type { EventKind } from '../contracts/event-schemas.ts'
import { InvalidValue, list } from './option.ts'

/** Reads kinds of events, comma separated. */
export const kindsOf = (known: readonly EventKind[]) => (text: string) => {
  const kinds = list(text)
  const unknown = kinds.find((kind) => !known.some((other) => other === kind))
  if (unknown === undefined) return kinds
  throw new InvalidValue(`must be one or more of ${known.join(', ')}`)
}
