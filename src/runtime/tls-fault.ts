/** Alerts that the other side sends when it does not take the certificate shown to it. */
const REFUSED =
  /ALERT_(?:CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_REVOKED|CERTIFICATE_EXPIRED|CERTIFICATE_UNKNOWN|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)$/
/** What OpenSSL says of a chain that does not end at an authority it knows. */
const UNTRUSTED =
  /^(?:SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_\w+|CERT_UNTRUSTED|CERT_CHAIN_TOO_LONG|INVALID_CA|CERT_SIGNATURE_FAILURE)$/

/** What is looked at of an error of Node's. */
interface NodeError {
  code?: unknown
  reason?: unknown
  message?: unknown
}

/** The reason for which a TLS connection did not come about, in words; null for an error of another kind. */
export function tlsFault(error: NodeError): string | null {
  const code = typeof error.code === 'string' ? error.code : ''
  if (code === 'CERT_HAS_EXPIRED') return "TLS: the server's certificate has expired"
  if (code === 'CERT_NOT_YET_VALID') return "TLS: the server's certificate is not valid yet"
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `TLS: the server's certificate is not one for this host (${String(error.reason ?? error.message ?? '')})`
  if (UNTRUSTED.test(code))
    return `TLS: the server's certificate comes from an authority that is not trusted here (${String(error.message ?? code)})`
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
    return 'TLS: the other side does not speak TLS on this port'
  if (!code.startsWith('ERR_SSL_')) return null
  const said = typeof error.reason === 'string' ? error.reason : code
  return REFUSED.test(code)
    ? `TLS: the server does not take the certificate that it is shown, or wants one (${said})`
    : `TLS: ${said}`
}
