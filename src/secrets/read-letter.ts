import { redactMessage } from '../contracts/redact-message.ts'
import type { JweBox } from './jwe-box.ts'
import { type Content, isSealedLetter, unsealLetter } from './unseal-letter.ts'

/** A dead letter's body as an operator may see it. */
export interface ReadLetter {
  /** `sealed`: to a key that is not configured, or changed since. */
  state: 'read' | 'not_json' | 'sealed'
  /** Of the content, where it could be opened. */
  contentType: string | null
  bytes: number
  /** The JSON without what may be secret; null where there is none to show. */
  message: unknown
}

/** Opens what is sealed whole, and hides what may be a secret. */
export async function readLetter(box: Pick<JweBox, 'open'>, content: Content): Promise<ReadLetter> {
  const unsealed = isSealedLetter(content) ? await unsealLetter(box, content) : { ok: true as const, content }
  if (!unsealed.ok)
    return {
      state: 'sealed',
      contentType: content.contentType ?? null,
      bytes: content.body.length,
      message: null,
    }
  const { body, contentType } = unsealed.content
  const message = redactMessage(body)
  return {
    state: message === undefined ? 'not_json' : 'read',
    contentType: contentType ?? null,
    bytes: body.length,
    message: message ?? null,
  }
}
