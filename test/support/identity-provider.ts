import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { onTestFinished } from 'vitest'

export interface SigningKey {
  kid: string
  alg: string
  privateKey: CryptoKey
  publicKey: CryptoKey
  jwk: JWK
}

/** A pair of keys, with its public half as a JWK set has it. */
export async function makeKey(kid: string, alg = 'ES256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { kid, alg, privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
}

export interface IdentityProvider {
  issuer: string
  jwksUrl: string
  /** What it serves from now on; null: it answers 503. */
  serve(keys: readonly SigningKey[] | null): void
  /** How often its keys were fetched. */
  fetches(): number
}

/** Serves public keys over HTTP on this machine. */
export async function startIdentityProvider(keys: readonly SigningKey[]): Promise<IdentityProvider> {
  let served: readonly SigningKey[] | null = keys
  let fetches = 0
  const server = createServer((_request, reply) => {
    fetches += 1
    reply.statusCode = served === null ? 503 : 200
    reply.setHeader('content-type', 'application/json')
    reply.end(JSON.stringify({ keys: (served ?? []).map(({ jwk }) => jwk) }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    return new Promise<void>((resolve) => server.close(() => resolve()))
  })
  const { port } = server.address() as AddressInfo
  return {
    issuer: 'https://idp.example',
    jwksUrl: `http://127.0.0.1:${port}/keys`,
    serve: (next) => {
      served = next
    },
    fetches: () => fetches,
  }
}

export interface TokenParts {
  claims?: Record<string, unknown>
  header?: Record<string, unknown>
}

/** A token of that issuer for this service, good for a minute; claims that are undefined are left out. */
export function signToken(key: SigningKey, { claims = {}, header = {} }: TokenParts = {}): Promise<string> {
  const second = Math.floor(Date.now() / 1000)
  const payload = {
    iss: 'https://idp.example',
    aud: 'provisioner',
    sub: 'alice',
    iat: second,
    exp: second + 60,
    roles: ['read'],
    projects: ['p'],
    ...claims,
  }
  return new SignJWT(payload)
    .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header })
    .sign(key.privateKey)
}
