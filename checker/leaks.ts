import type { CaseFile } from './case-file.ts'
import { TERMINAL_STATES } from './evidence.ts'
import type { Violation } from './verdict.ts'

/** Shorter common beginnings would be found by chance. */
const MIN_COMMON = 8
/** Around a find, to say where it is; the secret itself is left out. */
const CONTEXT = 40

/** What a secret may look like in a text: as it is, or in an encoding that anyone can undo. */
interface Trace {
  text: string
  form: string
}

/**
 * I6: no password in any text that others may read, in clear or in an encoding, and none kept, not even sealed, once
 * no attempt can need it.
 */
export function findLeaks({ evidence, cases }: CaseFile): Violation[] {
  const traces = tracesOf(evidence.secrets)
  const texts = [
    ...evidence.texts,
    ...evidence.events.map(({ body, messageId }) => ({ source: `event ${messageId}`, text: body })),
    ...evidence.deadLetters.map(({ body, headers, messageId, correlationId }) => ({
      source: `dead letter ${messageId ?? ''}`,
      text: `${JSON.stringify({ headers, messageId, correlationId })} ${body.toString('utf8')}`,
    })),
  ]
  const violations: Violation[] = []
  for (const { source, text } of texts) {
    for (const trace of traces) {
      const at = text.indexOf(trace.text)
      if (at < 0) continue
      const before = text.slice(Math.max(0, at - CONTEXT), at).replaceAll(/\s+/g, ' ')
      violations.push({
        subject: source,
        message: `a password ${trace.form} after ${JSON.stringify(before)}`,
      })
    }
  }
  for (const { key, row } of cases) {
    if (row.hasPassword && (TERMINAL_STATES.includes(row.state) || row.state === 'provisioning')) {
      violations.push({ subject: key, message: `the sealed password is still stored, though ${row.state}` })
    }
  }
  return violations
}

/** Secrets that begin alike are looked for by that beginning, so that a thousand cost as much as one. */
export function tracesOf(secrets: readonly string[]): Trace[] {
  const common = commonBeginning(secrets)
  const wanted = common.length >= MIN_COMMON ? [common] : secrets
  return wanted.flatMap((secret) => {
    const bytes = Buffer.from(secret)
    return [
      { text: secret, form: 'in clear' },
      { text: [...secret].toReversed().join(''), form: 'backwards' },
      { text: bytes.toString('hex'), form: 'in hex' },
      ...base64Cores(bytes).map((text) => ({ text, form: 'in base64' })),
      { text: encodeURIComponent(secret), form: 'URL-encoded' },
    ].filter(({ text }, index, all) => all.findIndex((other) => other.text === text) === index)
  })
}

/** The base64 of the bytes at each of the three offsets they may have, without what their neighbours decide. */
function base64Cores(bytes: Buffer): string[] {
  return [0, 1, 2].map((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replaceAll('=', '')
    const start = offset === 0 ? 0 : offset + 1
    const whole = Math.floor(((offset + bytes.length) * 8) / 6)
    return encoded.slice(start, whole)
  })
}

function commonBeginning(secrets: readonly string[]): string {
  const [first = '', ...others] = secrets
  let length = others.length === 0 ? 0 : first.length
  for (const other of others) {
    while (!other.startsWith(first.slice(0, length))) length -= 1
  }
  return first.slice(0, length)
}
