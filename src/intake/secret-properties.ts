import { wireNameOf } from '../amqp/content-header.ts'
import type { MessageProperties } from '../amqp/message.ts'
import { MIN_LENGTH } from '../contracts/password.ts'
import { parseStrictJson, readSecrets } from '../contracts/strict-json.ts'

/** What a body that was refused holds under the names of secrets, as far as it can be read, and what `opened` of it. */
export function secretsIn(body: Buffer, opened?: string): string[] {
  const json = parseStrictJson(body)
  const { values } = json.ok ? readSecrets(body) : json.reading.secrets
  // Shorter ones cannot be passwords, and may stand in any text.
  return [...values, opened ?? ''].filter((value) => value.length >= MIN_LENGTH)
}

/** The properties without those that hold one of the secrets, and the names of these: `message_id`, `headers.foo`. */
export function withoutSecrets(
  { headers = {}, ...others }: MessageProperties,
  secrets: readonly string[],
): { properties: MessageProperties; leftOut: string[] } {
  const leftOut: string[] = []
  const isFree = (name: string, value: unknown) => {
    const text = JSON.stringify([name, value], withWholeNumbers)
    // In JSON, as the text is: quotes and control characters stand escaped in both.
    return !secrets.some((secret) => text.includes(JSON.stringify(secret).slice(1, -1)))
  }
  const kept = (members: Readonly<Record<string, unknown>>, shownAs: (name: string) => string) =>
    Object.fromEntries(
      Object.entries(members).filter(([name, value]) => {
        const free = isFree(name, value)
        if (!free) leftOut.push(isFree(name, null) ? shownAs(name) : 'headers')
        return free
      }),
    )
  return {
    properties: { ...kept(others, wireNameOf), headers: kept(headers, (name) => `headers.${name}`) },
    leftOut: [...new Set(leftOut)],
  }
}

/** AMQP has numbers of 64 bits, JSON has not. */
function withWholeNumbers(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
