import { MAX_BODY_BYTES } from '../contracts/request-message.ts'
import type { JweBox } from './jwe-box.ts'

/** The content type of a body that is sealed whole: a JWE in compact form. */
export const SEALED_TYPE = 'application/jose'
/** Of a sealed body: MAX_BODY_BYTES in base64, and what a JWE has beside its ciphertext. */
export const MAX_SEALED_BYTES = Math.ceil(MAX_BODY_BYTES / 3) * 4 + 8192

/** A body, and how it is to be read. */
export interface Content {
  body: Buffer
  contentType: string | undefined
}

export type Unsealing =
  | { ok: true; content: Content }
  | { ok: false; code: 'message_too_large' | 'invalid_request'; message: string }

export function isSealedLetter({ contentType }: Content): boolean {
  return contentType === SEALED_TYPE
}

/** Opens a body that is sealed whole to a key of this service, as dead letters are. */
export async function unsealLetter(box: Pick<JweBox, 'open'>, { body }: Content): Promise<Unsealing> {
  if (body.length > MAX_SEALED_BYTES) {
    const message = `the sealed body has ${body.length} bytes, ${MAX_SEALED_BYTES} are allowed`
    return { ok: false, code: 'message_too_large', message }
  }
  const opened = await box.open(body.toString('latin1'))
  if (opened !== undefined)
    return { ok: true, content: { body: opened.content, contentType: opened.contentType } }
  return { ok: false, code: 'invalid_request', message: 'cannot be opened with a key of this service' }
}
