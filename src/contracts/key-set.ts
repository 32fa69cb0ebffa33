import { z } from 'zod'
import { JWE_ALG } from './jwe.ts'

const coordinate = z.string().regex(/^[\w-]{43}$/)

const keySchema = z
  .object({
    kty: z.literal('EC').meta({ description: 'An elliptic curve', examples: ['EC'] }),
    crv: z.literal('P-256').meta({ description: 'The curve', examples: ['P-256'] }),
    x: coordinate.meta({
      description: 'First coordinate, base64url',
      examples: ['WKn-ZIGevcwGIyyrzFoZNBdaq9_TsqzGl96oc0CWuis'],
    }),
    y: coordinate.meta({
      description: 'Second coordinate, base64url',
      examples: ['y77t-RvAHRKTsSGdIYUfweuOvwrvDD-Q3Hv5J0fSKbE'],
    }),
    kid: z.string().meta({
      description: 'Goes into the header of what is sealed, so that the key is found',
      examples: ['k1'],
    }),
    use: z.literal('enc').meta({ description: 'For sealing only', examples: ['enc'] }),
    alg: z.literal(JWE_ALG).meta({ description: 'How it is to be used', examples: [JWE_ALG] }),
  })
  .meta({ id: 'SealingKey', description: 'A public key (RFC 7517)' })

/** `/.well-known/provisioner-keys`: a JWK set. */
export const keySetSchema = z
  .object({
    keys: z.array(keySchema).readonly().meta({ description: 'Any of them will do; the first is the newest' }),
  })
  .meta({ id: 'SealingKeys', description: 'Public keys to which passwords are sealed' })

export type SealingKeys = z.output<typeof keySetSchema>
