import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { drawRandomBytes } from '../runtime/random-bytes.ts'

/** A key of SECRET_KEYS. */
export interface SecretKey {
  /** 1-32 of [A-Za-z0-9._-]. */
  id: string
  /** 32 bytes. */
  key: Buffer
}

export interface Sealer {
  /** Encrypts with the first key. `context` (`project/request`) must be the same when it is opened. */
  seal(plaintext: string, context: string): Buffer
  /** Throws a SealError when no key fits, or when the envelope or the context differ from those at sealing. */
  open(envelope: Uint8Array, context: string): string
}

/** Thrown when an envelope cannot be opened. */
export class SealError extends Error {
  override readonly name = 'SealError'
  readonly reason: 'unknown_key' | 'tampered'

  constructor(reason: SealError['reason'], message: string) {
    super(message)
    this.reason = reason
  }
}

const VERSION = 1
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const KEY_ID = /^[A-Za-z0-9._-]{1,32}$/
const BASE64_KEY = /^[A-Za-z0-9+/]{43}=?$/

/**
 * AES-256-GCM envelopes: version (1 byte), length of the key id (1 byte), key id, nonce (12 bytes), ciphertext, tag
 * (16 bytes). Everything before the nonce is authenticated together with the context, so an envelope cannot be moved to
 * another row. Nonces are random: change the first key before it has sealed 2^32 passwords.
 */
export function createSealer(keys: readonly SecretKey[]): Sealer {
  const [first] = keys
  if (first === undefined) throw new Error('a sealer needs a key')
  const byId = new Map<string, KeyObject>(keys.map(({ id, key }) => [id, createSecretKey(key)]))
  const sealingKey = createSecretKey(first.key)
  const header = Buffer.concat([Buffer.from([VERSION, first.id.length]), Buffer.from(first.id)])

  return {
    seal: (plaintext, context) => {
      const nonce = drawRandomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', sealingKey, nonce)
      cipher.setAAD(Buffer.concat([header, Buffer.from(context)]))
      const ciphertext = cipher.update(plaintext, 'utf8')
      cipher.final()
      return Buffer.concat([header, nonce, ciphertext, cipher.getAuthTag()])
    },
    open: (envelope, context) => {
      const bytes = Buffer.from(envelope.buffer, envelope.byteOffset, envelope.byteLength)
      const headerBytes = 2 + (bytes[1] ?? 0)
      if (bytes[0] !== VERSION || bytes.length < headerBytes + NONCE_BYTES + TAG_BYTES) {
        throw new SealError('tampered', 'not a sealed envelope')
      }
      const keyId = bytes.toString('utf8', 2, headerBytes)
      const key = byId.get(keyId)
      if (key === undefined)
        throw new SealError('unknown_key', `sealed with a key that is not configured: ${keyId}`)

      const nonce = bytes.subarray(headerBytes, headerBytes + NONCE_BYTES)
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(Buffer.concat([bytes.subarray(0, headerBytes), Buffer.from(context)]))
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
      try {
        const text = decipher.update(bytes.subarray(headerBytes + NONCE_BYTES, -TAG_BYTES))
        return Buffer.concat([text, decipher.final()]).toString('utf8')
      } catch {
        throw new SealError('tampered', 'the envelope or its context has been changed')
      }
    },
  }
}

/**
 * Reads SECRET_KEYS: a comma-separated list of `id:base64(32 bytes)`; the first key seals, all open. Throws an Error
 * that names every fault by the entry's place and never shows any part of an entry.
 */
export function parseSecretKeys(text: string): SecretKey[] {
  const faults: string[] = []
  const keys: SecretKey[] = []
  for (const [index, entry] of text.split(',').entries()) {
    const [id = '', encoded, ...rest] = entry.trim().split(':')
    const key = Buffer.from(encoded ?? '', 'base64')
    const fault =
      encoded === undefined || rest.length > 0
        ? 'must have the form id:base64'
        : !KEY_ID.test(id)
          ? 'its id must have 1 to 32 of: letters, digits, . _ -'
          : !BASE64_KEY.test(encoded) || key.length !== KEY_BYTES
            ? `its key must be ${KEY_BYTES} bytes in base64`
            : keys.some((other) => other.id === id)
              ? 'its id has been used before'
              : undefined
    if (fault === undefined) keys.push({ id, key })
    else faults.push(`entry ${index + 1}: ${fault}`)
  }
  if (faults.length > 0) throw new Error(faults.join('; '))
  return keys
}

/** What a password is sealed to: it opens for its own request only. */
export function sealContext(projectId: string, requestId: string): string {
  return `${projectId}/${requestId}`
}

/** What is sealed, or undefined where it cannot be opened. */
export function openIfPossible(
  sealer: Pick<Sealer, 'open'>,
  envelope: Uint8Array,
  context: string,
): string | undefined {
  try {
    return sealer.open(envelope, context)
  } catch (error) {
    if (error instanceof SealError) return undefined
    throw error
  }
}
