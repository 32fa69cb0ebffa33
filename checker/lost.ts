import type { CaseFile } from './case-file.ts'
import { type DeadLetter, keyOf, type PublishedMessage } from './evidence.ts'
import type { Violation } from './verdict.ts'

export const NUMBER_HEADER = 'x-message-number'

/** I1: every message that the broker confirmed is a row or a dead letter, and a dead letter is what was sent. */
export function findLost({ evidence, byKey }: CaseFile): Violation[] {
  const letters = lettersByNumber(evidence.deadLetters)
  const violations: Violation[] = []
  for (const message of evidence.published) {
    const subject = nameOf(message)
    const copies = letters.get(message.number) ?? []
    for (const letter of copies) {
      const changes = changesOf(message, letter)
      if (changes.length > 0) {
        violations.push({ subject, message: `its dead letter differs in ${changes.join(', ')}` })
      }
    }
    if (!message.confirmed || copies.length > 0 || isStored(message, byKey)) continue
    const queued = evidence.queueDepth > 0 ? ` (${evidence.queueDepth} messages are still queued)` : ''
    violations.push({ subject, message: `confirmed, but neither a row nor a dead letter${queued}` })
  }
  return violations
}

/**
 * What is out of order about accepting and rejecting: invalid messages that were stored, valid ones that were
 * rejected, wrong codes, dead letters without the headers they owe or that nobody published.
 */
export function findMisjudged({ evidence, byKey }: CaseFile): Violation[] {
  const letters = lettersByNumber(evidence.deadLetters)
  const violations: Violation[] = []
  for (const message of evidence.published) {
    const subject = nameOf(message)
    const copies = letters.get(message.number) ?? []
    const stored = isStored(message, byKey)
    if (message.order === null && stored) violations.push({ subject, message: 'invalid, but stored' })
    const allowed = allowedCodes(message, stored, byKey)
    for (const letter of copies) {
      const code = String(letter.headers['x-rejection-code'])
      if (!allowed.includes(code)) {
        const expected = allowed.length === 0 ? 'no dead letter' : allowed.join(' or ')
        violations.push({ subject, message: `dead-lettered as ${code}, expected ${expected}` })
      }
      violations.push(...faultsOfHeaders(letter).map((fault) => ({ subject, message: fault })))
    }
  }
  const numbers = new Set(evidence.published.map((message) => message.number))
  for (const letter of evidence.deadLetters) {
    if (!numbers.has(numberOf(letter))) {
      violations.push({
        subject: 'dead letter',
        message: `nobody published it (${letter.body.length} bytes)`,
      })
    }
  }
  return violations
}

/** Dead letters by the number of the message they are of. At least once: there may be several of one message. */
export function lettersByNumber(letters: readonly DeadLetter[]): Map<number, DeadLetter[]> {
  return Map.groupBy(letters, numberOf)
}

export function nameOf(message: PublishedMessage): string {
  return `message ${message.number} (${message.projectId ?? '?'}/${message.requestId ?? '?'})`
}

function numberOf(letter: DeadLetter): number {
  return Number(letter.headers[NUMBER_HEADER] ?? Number.NaN)
}

function isStored(message: PublishedMessage, byKey: CaseFile['byKey']): boolean {
  if (message.projectId === null || message.requestId === null) return false
  const found = byKey.get(keyOf(message.projectId, message.requestId))
  return (
    found !== undefined && (message.order === null ? found.order === null : found.messages.includes(message))
  )
}

function allowedCodes(message: PublishedMessage, stored: boolean, byKey: CaseFile['byKey']): string[] {
  if (message.expect.kind === 'rejected') return [message.expect.code]
  if (stored) return []
  const rival = byKey.get(keyOf(message.projectId ?? '', message.requestId ?? ''))
  return rival === undefined ? [] : ['idempotency_conflict']
}

/** A letter keeps its secrets: what is sealed whole is not compared, and of a sealed password only that it is sealed. */
function changesOf(message: PublishedMessage, letter: DeadLetter): string[] {
  const changes: string[] = []
  const sealedWhole = letter.contentType === SEALED_TYPE
  if (sealedWhole ? !JWE.test(letter.body.toString('latin1')) : !isSameBody(message.body, letter.body)) {
    changes.push('body')
  }
  const contentType = sealedWhole ? contentTypeWithin(letter.body) : letter.contentType
  if (contentType !== message.contentType) changes.push('contentType')
  for (const property of ['messageId', 'correlationId'] as const) {
    if (letter[property] !== message[property]) changes.push(property)
  }
  if (letter.headers.traceparent !== message.traceparent) changes.push('header traceparent')
  return changes
}

const SEALED_TYPE = 'application/jose'
const JWE = /^[\w-]+\.[\w-]+\.[\w-]+\.[\w-]*\.[\w-]+$/

/** The type of the content that is sealed: the header of a JWE can be read by anybody. */
function contentTypeWithin(body: Buffer): unknown {
  try {
    const [header = ''] = body.toString('latin1').split('.')
    return JSON.parse(Buffer.from(header, 'base64url').toString('utf8')).cty
  } catch {
    return undefined
  }
}

/** Equal to the byte, or but for the password, which the letter has sealed. */
function isSameBody(sent: Buffer, carried: Buffer): boolean {
  if (carried.equals(sent)) return true
  const sealed = /"password_jwe":"[\w.-]+"/.exec(carried.toString('utf8'))
  if (sealed === null) return false
  const before = carried.toString('utf8').slice(0, sealed.index)
  const after = carried.toString('utf8').slice(sealed.index + sealed[0].length)
  const text = sent.toString('utf8')
  if (!text.startsWith(before) || !text.endsWith(after)) return false
  return /^"password"\s*:\s*"(?:[^"\\]|\\.)*"$/.test(text.slice(before.length, text.length - after.length))
}

function faultsOfHeaders({ headers }: DeadLetter): string[] {
  const faults: string[] = []
  if (Number.isNaN(Date.parse(String(headers['x-rejected-at'])))) faults.push('x-rejected-at is no time')
  if (!isDetail(headers['x-rejection-detail'])) {
    faults.push('x-rejection-detail is no JSON array of path and message')
  }
  return faults
}

function isDetail(header: unknown): boolean {
  try {
    const detail: unknown = JSON.parse(String(header))
    return (
      Array.isArray(detail) &&
      detail.length > 0 &&
      detail.every((fault) => typeof fault?.path === 'string' && typeof fault?.message === 'string')
    )
  } catch {
    return false
  }
}
