import { createHmac, createSecretKey, hash, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { ProvisionCommand } from '../contracts/request-message.ts'
import type { SecretKey } from './seal.ts'

/**
 * SHA-256 of what a command asks for, without its password: equal for messages that mean the same, however they are
 * written. A spec has one form and one order already (normaliseSpec), but for the pairs of its metadata; the servers
 * of a placement count as a set.
 */
export function contentDigest(command: ProvisionCommand): Buffer {
  const { projectId, requestId, spec, priority, deadline, waitsForReady } = command
  const { metadata, placement } = spec
  const ordered = {
    ...spec,
    metadata:
      metadata &&
      Object.keys(metadata)
        .sort()
        .map((key) => [key, metadata[key]]),
    placement: placement && [...new Set(placement.server_id_set)].sort(),
  }
  const content = [projectId, requestId, priority, deadline?.getTime() ?? null, ordered]
  // An order that says nothing of it has the digest that it had before this could be said.
  if (waitsForReady) content.push('wait')
  return hash('sha256', JSON.stringify(content), 'buffer')
}

/** A password, and the request that it is digested for. */
export type PasswordOwner = Pick<ProvisionCommand, 'projectId' | 'requestId' | 'password'>

export interface PasswordDigester {
  /** `<key id>:<base64 HMAC-SHA256>` under the first key, bound to project and request; null without keys. */
  digest(owner: PasswordOwner): string | null
  /**
   * Whether a stored digest is that of this password. A digest whose key is no longer configured cannot
   * be compared: it counts as a match, and the content alone tells a duplicate from a conflict.
   */
  matches(owner: PasswordOwner, stored: string): boolean
}

/**
 * Digests of passwords that outlive their requests, with the keys of DIGEST_KEYS. Whoever has such a key and the database
 * can find short passwords by trying: without keys, nothing is kept.
 */
export function createPasswordDigester(keys: readonly SecretKey[]): PasswordDigester {
  const [first] = keys
  const make = createMacs(keys, 'provisioner password digest')
  return {
    digest: (owner) =>
      first === undefined ? null : `${first.id}:${make(owner, first.id)?.toString('base64')}`,
    matches: (owner, stored) => {
      const [keyId = '', encoded = ''] = stored.split(':')
      const expected = make(owner, keyId)
      if (expected === undefined) return true
      const found = Buffer.from(encoded, 'base64')
      return found.length === expected.length && timingSafeEqual(found, expected)
    },
  }
}

export interface PasswordTracer {
  /** `<key id>:<20 bits in hexadecimal>` of an HMAC-SHA256 under the first key, bound to project and request. */
  trace(owner: PasswordOwner): string
  /** Whether this may be the password; of others, one in a million is taken for it. A lost key tells nothing: true. */
  mayMatch(owner: PasswordOwner, stored: string): boolean
}

const TRACE_DIGITS = 5

/**
 * Traces of passwords: as much of a digest as it takes to notice a password in a text, and too little to find it out,
 * also for those who have the key.
 */
export function createPasswordTracer(keys: readonly SecretKey[]): PasswordTracer {
  const [first] = keys
  if (first === undefined) throw new Error('a password tracer needs a key')
  const make = createMacs(keys, 'provisioner password trace')
  const digits = (mac: Buffer | undefined) => mac?.toString('hex').slice(0, TRACE_DIGITS)
  return {
    trace: (owner) => `${first.id}:${digits(make(owner, first.id))}`,
    mayMatch: (owner, stored) => {
      const [keyId = '', found = ''] = stored.split(':')
      const mac = make(owner, keyId)
      return mac === undefined || digits(mac) === found
    },
  }
}

/**
 * Makes the HMAC under the key of an id; undefined without that key. The keys are derived from the secret ones, so that
 * the same bytes never serve two purposes.
 */
function createMacs(keys: readonly SecretKey[], purpose: string) {
  const byId = new Map<string, KeyObject>(
    keys.map(({ id, key }) => [id, createSecretKey(Buffer.from(hkdfSync('sha256', key, '', purpose, 32)))]),
  )
  return ({ projectId, requestId, password }: PasswordOwner, keyId: string): Buffer | undefined => {
    const key = byId.get(keyId)
    return key && createHmac('sha256', key).update(`${projectId}/${requestId}\0${password}`).digest()
  }
}
