export interface BrokerAddress {
  /** What amqplib connects to: the given URL without its credentials, with the heartbeat interval. */
  url: string
  username: string
  password: string
  /** For logs: scheme, host, port and virtual host. */
  display: string
}

/**
 * Splits an `amqp:` or `amqps:` URL. The heartbeat goes into the query, the only place where amqplib 2 looks for it;
 * one that is already there wins. No error of this function holds any part of the URL, as it carries a password.
 */
export function parseBrokerUrl(
  text: string,
  { heartbeatSeconds }: { heartbeatSeconds: number },
): BrokerAddress {
  if (!URL.canParse(text)) throw new Error('the broker URL is not a valid URL')
  const url = new URL(text)
  if (url.protocol !== 'amqp:' && url.protocol !== 'amqps:') {
    throw new Error('the broker URL must begin with amqp: or amqps:')
  }
  const anonymous = url.username === '' && url.password === ''
  const username = anonymous ? 'guest' : decoded(url.username)
  const password = anonymous ? 'guest' : decoded(url.password)
  url.username = ''
  url.password = ''
  const display = `${url.protocol}//${url.host}${url.pathname}`
  if (!url.searchParams.has('heartbeat')) url.searchParams.set('heartbeat', String(heartbeatSeconds))
  return { url: url.href, username, password, display }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error('user or password of the broker URL is not percent-encoded correctly')
  }
}
