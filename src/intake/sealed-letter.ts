import { webcrypto } from 'node:crypto'
import type { Delivery } from '../amqp/message.ts'
import { readJwe } from '../contracts/jwe.ts'
import { replacePassword } from '../contracts/replace-password.ts'
import { MAX_BODY_BYTES } from '../contracts/request-message.ts'
import type { JweBox } from '../secrets/jwe-box.ts'
import { type Content, isSealedLetter, MAX_SEALED_BYTES, SEALED_TYPE } from '../secrets/unseal-letter.ts'
import { secretsIn, withoutSecrets } from './secret-properties.ts'

/** Others are not shown: anything may stand there. */
const MEDIA_TYPE = /^[\w.+-]{1,60}\/[\w.+-]{1,60}(?: *; *[\w-]{1,20}="?[\w.+-]{1,20}"?){0,3}$/

/** What came, with what it says once it is opened. */
export interface Received {
  delivery: Delivery
  content: Content
  /** The password of a message that is valid in itself; null of any other. */
  password: string | null
  /** What the password_jwe of a message that is not valid holds, where it could be opened. */
  opened?: string | undefined
}

/** A message as its dead letter carries it. */
export interface Carried {
  delivery: Delivery
  /** What is not as it came, by name. */
  altered: readonly string[]
}

/**
 * The message without a readable secret. In one that is valid in itself the password is sealed, so that the letter can
 * be published again as it is; any other body is sealed whole, a very long one as far as a message may be long. What
 * is sealed already stays as it is.
 */
export async function sealLetter(box: Pick<JweBox, 'seal'>, received: Received): Promise<Carried> {
  const { content, password, opened } = received
  const secrets = password === null ? secretsIn(content.body.subarray(0, MAX_BODY_BYTES), opened) : [password]
  const { properties, leftOut } = withoutSecrets(received.delivery.properties, secrets)
  const delivery = { ...received.delivery, properties, contentType: properties.contentType }
  const { altered, ...carried } = await sealBody(box, delivery, received)
  return { ...carried, altered: [...new Set([...altered, ...leftOut])] }
}

async function sealBody(
  box: Pick<JweBox, 'seal'>,
  delivery: Delivery,
  { content, password }: Received,
): Promise<Carried> {
  if (password !== null) {
    const text = content.body.toString('utf8')
    const safe = replacePassword(text, content.contentType, await box.seal(password))
    if (safe === undefined) return withContent(delivery, content)
    // The first seals it, and nothing else may hold it: else a fault of this program.
    if (!safe.includes(password)) {
      return withContent(delivery, { ...content, body: Buffer.from(safe) }, ['spec.password'])
    }
  } else if (isSealedLetter(delivery) && isWellSealed(delivery.body)) {
    return { delivery, altered: [] }
  }
  return sealWhole(box, delivery)
}

async function sealWhole(box: Pick<JweBox, 'seal'>, delivery: Delivery): Promise<Carried> {
  const { body, contentType } = delivery
  const altered: string[] = []
  // Whoever has the letter can read its header.
  const isShown = contentType === undefined || MEDIA_TYPE.test(contentType)
  if (!isShown) altered.push('content_type')
  if (body.length > MAX_BODY_BYTES) {
    altered.push(`body: the first ${MAX_BODY_BYTES} of ${body.length} bytes, sha256 ${await sha256(body)}`)
  }
  const sealed = await box.seal(body.subarray(0, MAX_BODY_BYTES), isShown ? contentType : undefined)
  return withContent(delivery, { body: Buffer.from(sealed), contentType: SEALED_TYPE }, altered)
}

/** Whether it can be nothing but a JWE: then nothing in it can be read. */
function isWellSealed(body: Buffer): boolean {
  return body.length <= MAX_SEALED_BYTES && readJwe(body.toString('latin1')).ok
}

function withContent(delivery: Delivery, content: Content, altered: readonly string[] = []): Carried {
  const properties = { ...delivery.properties, contentType: content.contentType }
  // A content type that could not be read is left out; this one must not be.
  const lost = delivery.unreadable.filter((name) => name === 'content_type')
  const unreadable = delivery.unreadable.filter((name) => name !== 'content_type')
  return {
    delivery: { ...delivery, ...content, properties, unreadable },
    altered: [...altered, ...lost],
  }
}

/** In hexadecimal; of a long body, beside the event loop. */
async function sha256(body: Buffer): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', body)).toString('hex')
}
