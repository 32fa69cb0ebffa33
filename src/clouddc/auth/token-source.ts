/** Where a token or a key comes from: fixed, a file, or one day IAM. */
export interface TokenSource {
  /** The token to use now. */
  current(): Promise<string>
  /** Fetches anew and returns the token to use from now on. */
  renew(): Promise<string>
}

/** A token as it may stand in a header: without the white space around it. Throws without repeating it. */
export function readToken(text: string): string {
  const token = text.trim()
  if (token === '') throw new Error('the token is empty')
  if (!/^[\x21-\x7e]+$/.test(token)) throw new Error('the token has characters that no header may carry')
  return token
}
