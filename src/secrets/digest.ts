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
  /** `<key id>:<base64 HMAC-SHA256>` under the first key, bound to project and request. */
  digest(owner: PasswordOwner): string
  /**
   * Whether a stored digest is that of this password. A digest whose key is no longer configured cannot
   * be compared: it counts as a match, and the content alone tells a duplicate from a conflict.
   */
  matches(owner: PasswordOwner, stored: string): boolean
}

/** The HMAC keys are derived from the secret keys, so that the same bytes never serve two purposes. */
export function createPasswordDigester(keys: readonly SecretKey[]): PasswordDigester {
  const [first] = keys
  if (first === undefined) throw new Error('a password digester needs a key')
  const derive = ({ key }: SecretKey) =>
    createSecretKey(Buffer.from(hkdfSync('sha256', key, '', 'provisioner password digest', 32)))
  const firstKey = derive(first)
  const byId = new Map<string, KeyObject>(keys.map((key) => [key.id, derive(key)]))
  const mac = (key: KeyObject, { projectId, requestId, password }: PasswordOwner) =>
    createHmac('sha256', key).update(`${projectId}/${requestId}\0${password}`).digest()

  return {
    digest: (owner) => `${first.id}:${mac(firstKey, owner).toString('base64')}`,
    matches: (owner, stored) => {
      const [keyId = '', encoded = ''] = stored.split(':')
      const key = byId.get(keyId)
      if (key === undefined) return true
      const expected = mac(key, owner)
      const found = Buffer.from(encoded, 'base64')
      return found.length === expected.length && timingSafeEqual(found, expected)
    },
  }
}
