/** What an answer says may quote the request. This stands for what is taken out of it. */
const REDACTED = '[redacted]'

/** What a credential adds to a call, and everybody may know. */
const NO_SECRETS: readonly string[] = ['X-Project-Id', 'X-Sdk-Date']

/** A quotation of the request in some other spelling: from its password field on, nothing is kept. */
const QUOTED_PASSWORD = /password\\*["']\s*[:=]\s*\\*["'][\s\S]*$/i

/**
 * The gateway explains a wrong signature by the request as it has read it, with the security token in it. Nothing is kept
 * from where such a quotation may begin.
 */
const QUOTED_REQUEST =
  /(?:canonical[\s_-]*(?:request|string)|string[\s_-]*to[\s_-]*sign|SDK-HMAC-SHA256|x-sdk-date|x-security-token|\b(?:GET|POST|PUT|DELETE)(?:\s|\\+n)+\/)[\s\S]*$/i

/** What an answer says before it begins to quote the request. */
export function beforeQuotedRequest(text: string): string {
  return text.replace(QUOTED_REQUEST, '')
}

/**
 * Text from outside, fit to be stored and shown: without any of the secrets, without control characters (Postgres
 * takes no NUL), at most `maxLength` UTF-16 units.
 */
export function cleanText(text: string, secrets: readonly string[], maxLength = 1000): string {
  let clean = text
  for (const secret of secrets) {
    if (secret !== '') clean = clean.replaceAll(secret, REDACTED)
  }
  return clean
    .replace(QUOTED_REQUEST, REDACTED)
    .replace(QUOTED_PASSWORD, `password ${REDACTED}`)
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, maxLength)
    .toWellFormed()
    .trim()
}

/**
 * Every way in which an answer may quote what the request held in secret: the body itself, its password, the
 * credential.
 */
export function secretsOf(body: string | undefined, credential: Record<string, string>): string[] {
  const secrets = Object.entries(credential).flatMap(([name, value]) =>
    NO_SECRETS.includes(name) ? [] : [value],
  )
  if (body !== undefined) secrets.push(body, ...spellings(passwordIn(body)))
  return secrets.toSorted((a, b) => b.length - a.length)
}

/** Every spelling in which an answer may quote one of these secrets, the longest first. */
export function spellingsOf(secrets: readonly string[]): string[] {
  return secrets.flatMap(spellings).toSorted((a, b) => b.length - a.length)
}

function passwordIn(body: string): string {
  try {
    const json: unknown = JSON.parse(body)
    if (typeof json !== 'object' || json === null || !('password' in json)) return ''
    return typeof json.password === 'string' ? json.password : ''
  } catch {
    return ''
  }
}

function spellings(password: string): string[] {
  if (password === '') return []
  const json = JSON.stringify(password).slice(1, -1)
  const html = password
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
  // Some JSON writers escape these four also where JSON does not ask for it.
  const safeJson = json.replace(/[=<>&]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return [...new Set([password, json, safeJson, html, encodeURIComponent(password.toWellFormed())])]
}
