/** Where a token or keys come from: fixed, a file, or IAM. */
export interface Source<Value> {
  /** What to use now. */
  current(): Promise<Value>
  /** Fetches anew, since `refused` was, and returns what to use from now on. */
  renew(refused?: Value): Promise<Value>
  /** Milliseconds until what is held now ends; absent, or null, where nobody has said so. */
  endsInMs?(): number | null
}

/** A token as it may stand in a header: without the white space around it. Throws without repeating it. */
export function readToken(text: string): string {
  const token = text.trim()
  if (token === '') throw new Error('the token is empty')
  if (!/^[\x21-\x7e]+$/.test(token)) throw new Error('the token has characters that no header may carry')
  return token
}
