import { CompactEncrypt, importJWK, type JWK } from 'jose'
import type { DraftMessage } from './messages.ts'

const ALG = 'ECDH-ES+A256KW'
/** Of the orders, one in so many is sealed; copies and conflicts too, so that plain and sealed meet under one key. */
export const SEALED_EVERY = 3

/** The orders as producers send them who seal passwords, with the key that the service at this URL publishes. */
export async function sealMessages(
  messages: readonly DraftMessage[],
  serviceUrl: string,
): Promise<DraftMessage[]> {
  const reply = await fetch(`${serviceUrl}/.well-known/provisioner-keys`)
  const { keys } = (await reply.json()) as { keys: [JWK] }
  return sealOrders(messages, keys[0])
}

export async function sealOrders(messages: readonly DraftMessage[], jwk: JWK): Promise<DraftMessage[]> {
  const key = await importJWK(jwk, ALG)
  const seal = (password: string) =>
    new CompactEncrypt(Buffer.from(password))
      .setProtectedHeader({ alg: ALG, enc: 'A256GCM', kid: jwk.kid ?? '' })
      .encrypt(key)
  return Promise.all(
    messages.map(async (message, index) => {
      if (message.order === null || index % SEALED_EVERY !== 0) return message
      const written = JSON.parse(message.body.toString())
      const content = written.data ?? written
      const { password, ...spec } = content.spec
      content.spec = { ...spec, password_jwe: await seal(password) }
      return { ...message, body: Buffer.from(JSON.stringify(written)) }
    }),
  )
}
