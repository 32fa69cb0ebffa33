/** One thing that is wrong with a message. */
export interface Fault {
  /** Keys and indexes from the top of the body, joined with dots; empty for the body as a whole. */
  path: string
  /** What is wrong, without any value of the message. */
  message: string
}

const MAX_FAULTS = 50
const MAX_PATH_LENGTH = 200
const MAX_DETAIL_BYTES = 8192
const REDACTED = '[redacted]'

export function joinPath(path: readonly PropertyKey[]): string {
  return path.map(String).join('.')
}

/**
 * The faults as they may leave the service, in a header among others: at most 50 and 8 KiB of JSON, long paths cut,
 * and `secrets` taken out of the paths. Keys are the only text of the sender that a path can hold.
 */
export function publishableFaults(faults: readonly Fault[], secrets: readonly string[]): Fault[] {
  const published: Fault[] = []
  let bytes = 0
  for (const { path, message } of faults.slice(0, MAX_FAULTS)) {
    const fault = { path: shorten(redact(path, secrets)), message }
    bytes += Buffer.byteLength(JSON.stringify(fault))
    if (bytes > MAX_DETAIL_BYTES && published.length > 0) break
    published.push(fault)
  }
  const omitted = faults.length - published.length
  if (omitted > 0) published.push({ path: '', message: `and ${omitted} more` })
  return published
}

function redact(path: string, secrets: readonly string[]): string {
  let clean = path
  for (const secret of secrets) clean = clean.replaceAll(secret, REDACTED)
  return clean
}

function shorten(path: string): string {
  return path.length > MAX_PATH_LENGTH ? `${path.slice(0, MAX_PATH_LENGTH)}...` : path
}

const PASSWORD_MEMBER = /"password"\s*:\s*"((?:[^"\\]|\\.)*)/g

/** The passwords in a JSON text, also in a broken one, as written and as meant. Those under 4 characters are left out. */
export function findPasswords(text: string): string[] {
  const found = new Set<string>()
  for (const [, written] of text.matchAll(PASSWORD_MEMBER)) {
    if (written === undefined) continue
    found.add(written)
    try {
      found.add(String(JSON.parse(`"${written}"`)))
    } catch {
      // A broken escape: the text as written is all there is.
    }
  }
  return [...found].filter((password) => password.length >= 4)
}
