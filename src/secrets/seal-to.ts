import { CompactEncrypt, importJWK } from 'jose'
import { JWE_ALG, JWE_ENC } from '../contracts/jwe.ts'
import type { SealingKeys } from '../contracts/key-set.ts'

/** Seals as producers do: to a public key of the service, RFC 7516 compact. Throws where the key is none. */
export async function createSealTo(
  publicJwk: SealingKeys['keys'][number],
): Promise<(text: string) => Promise<string>> {
  const key = await importJWK(publicJwk, JWE_ALG)
  const header = { alg: JWE_ALG, enc: JWE_ENC, kid: publicJwk.kid }
  return (text) => new CompactEncrypt(Buffer.from(text)).setProtectedHeader(header).encrypt(key)
}
