import { z } from 'zod'

export interface ErrorBody {
  code: string | null
  /** Null when the body says nothing. */
  message: string | null
  requestId: string | null
}

const NOTHING: ErrorBody = { code: null, message: null, requestId: null }

/** The pairs in which CloudDC, its gateway and IAM name a fault, in the order of the vendor's own SDK. */
const PAIRS = [
  ['error_code', 'error_msg'],
  ['errorCode', 'errorMsg'],
  ['code', 'message'],
] as const

const objectSchema = z.record(z.string(), z.unknown())

/**
 * Reads what the body of a failed call says: JSON in any of the known shapes, also one level down; else a JSON string
 * or plain text as the message. Never throws; nothing is cut or cleaned here.
 */
export function parseErrorBody(text: string): ErrorBody {
  const trimmed = text.replace(/^\uFEFF/, '').trim()
  if (trimmed === '') return NOTHING
  let json: unknown
  try {
    json = JSON.parse(trimmed)
  } catch {
    return { ...NOTHING, message: trimmed }
  }
  if (typeof json === 'string') return { ...NOTHING, message: json === '' ? null : json }
  const parsed = objectSchema.safeParse(json)
  if (!parsed.success) return { ...NOTHING, message: trimmed }
  const levels = [parsed.data, ...nested(parsed.data)]
  const fault = firstOf(levels, true) ?? firstOf(levels, false) ?? { code: null, message: trimmed }
  return { ...fault, requestId: asText(parsed.data.request_id) }
}

function nested(object: Record<string, unknown>): Record<string, unknown>[] {
  const { error, ...others } = object
  return [error, ...Object.values(others)].flatMap((value) => {
    const parsed = objectSchema.safeParse(value)
    return parsed.success ? [parsed.data] : []
  })
}

function firstOf(levels: readonly Record<string, unknown>[], whole: boolean) {
  for (const level of levels) {
    for (const [codeKey, messageKey] of PAIRS) {
      const code = asText(level[codeKey])
      const message = asText(level[messageKey])
      if (whole ? code !== null && message !== null : code !== null || message !== null)
        return { code, message }
    }
  }
  return null
}

/** IAM gives its code as a number. */
function asText(value: unknown): string | null {
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' && value !== '' ? value : null
}
