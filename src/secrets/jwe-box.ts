import { isUtf8 } from 'node:buffer'
import { createPublicKey } from 'node:crypto'
import { CompactEncrypt, compactDecrypt } from 'jose'
import { JWE_ALG, JWE_ENC, readJwe } from '../contracts/jwe.ts'
import type { SealingKeys } from '../contracts/key-set.ts'
import { deriveKeyPair } from './key-pairs.ts'
import type { SecretKey } from './seal.ts'

export interface Opened {
  content: Buffer
  /** The header's `cty`: the content's type, where the sealer has told it. */
  contentType: string | undefined
}

export interface JweBox {
  /** The keys to seal to, as a JWK set (RFC 7517): only the first. */
  publicKeys: SealingKeys
  /** Seals to the first key: RFC 7516 compact. */
  seal(content: string | Uint8Array, contentType?: string): Promise<string>
  /**
   * Opens what was sealed to any of the keys; undefined where that cannot be done. The caller bounds the length. What
   * names no key (`kid`) is tried with each.
   */
  open(jwe: string): Promise<Opened | undefined>
}

/** Sealing to key pairs that are derived from SECRET_KEYS: producers seal passwords to them, intake its dead letters. */
export function createJweBox(keys: readonly SecretKey[]): JweBox {
  const pairs = keys.map(deriveKeyPair)
  const [first] = pairs
  if (first === undefined) throw new Error('a box needs a key')
  const sealingKey = createPublicKey(first.privateKey)

  const openWith = async (jwe: string, { privateKey }: (typeof pairs)[number]) => {
    try {
      return await compactDecrypt(jwe, privateKey, {
        keyManagementAlgorithms: [JWE_ALG],
        contentEncryptionAlgorithms: [JWE_ENC],
      })
    } catch {
      // Whatever the reason is, it may quote what it was given.
      return undefined
    }
  }

  return {
    publicKeys: { keys: [first.publicJwk] },
    seal: (content, contentType) =>
      new CompactEncrypt(typeof content === 'string' ? Buffer.from(content) : content)
        .setProtectedHeader({
          alg: JWE_ALG,
          enc: JWE_ENC,
          kid: first.kid,
          ...(contentType === undefined ? {} : { cty: contentType }),
        })
        .encrypt(sealingKey),
    open: async (jwe) => {
      const reading = readJwe(jwe)
      if (!reading.ok) return undefined
      const { kid } = reading
      const fitting = kid === undefined ? pairs : pairs.filter((pair) => pair.kid === kid)
      for (const pair of fitting) {
        const opened = await openWith(jwe, pair)
        if (opened === undefined) continue
        const { plaintext, protectedHeader } = opened
        return { content: Buffer.from(plaintext), contentType: protectedHeader.cty }
      }
      return undefined
    },
  }
}

/** Opens a text; undefined also where what was sealed is none. */
export async function openText(box: Pick<JweBox, 'open'>, jwe: string): Promise<string | undefined> {
  const opened = await box.open(jwe)
  return opened !== undefined && isUtf8(opened.content) ? opened.content.toString('utf8') : undefined
}
