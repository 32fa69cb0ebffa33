import { createECDH, createPrivateKey, hkdfSync, type KeyObject } from 'node:crypto'
import type { SealingKeys } from '../contracts/key-set.ts'
import type { SecretKey } from './seal.ts'

type PublicJwk = SealingKeys['keys'][number]

export interface KeyPair {
  kid: string
  privateKey: KeyObject
  publicJwk: PublicJwk
}

const INFO = 'provisioner-jwe'
/** The order of P-256. */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const SCALAR_BYTES = 32
/** 128 bits more than the order has: what is left of the bias of the remainder is below 2^-128 (FIPS 186-5, A.2.1). */
const DERIVED_BYTES = SCALAR_BYTES + 16

/** The key pair of an entry of SECRET_KEYS: always the same one, and of no use for finding the entry. */
export function deriveKeyPair({ id, key }: SecretKey): KeyPair {
  const derived = BigInt(`0x${Buffer.from(hkdfSync('sha256', key, '', INFO, DERIVED_BYTES)).toString('hex')}`)
  const scalar = Buffer.from(
    ((derived % (ORDER - 1n)) + 1n).toString(16).padStart(2 * SCALAR_BYTES, '0'),
    'hex',
  )
  const curve = createECDH('prime256v1')
  curve.setPrivateKey(scalar)
  // 0x04, then the coordinates.
  const point = curve.getPublicKey()
  const coordinate = (from: number) => point.toString('base64url', from, from + SCALAR_BYTES)
  const place = { kty: 'EC', crv: 'P-256', x: coordinate(1), y: coordinate(1 + SCALAR_BYTES) } as const
  return {
    kid: id,
    privateKey: createPrivateKey({ format: 'jwk', key: { ...place, d: scalar.toString('base64url') } }),
    publicJwk: { ...place, kid: id, use: 'enc', alg: 'ECDH-ES+A256KW' },
  }
}
