import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'

/** Paths of PEM files. */
export interface CertificateFiles {
  /** The certificate with its chain. */
  certFile: string
  keyFile: string
}

export interface Certificate {
  /** PEM: the certificate, then those between it and its authority. */
  cert: string
  /** PEM, without a passphrase. */
  key: string
}

/** Throws when a file cannot be read, or when the two do not make a pair. */
export function readCertificate({ certFile, keyFile }: CertificateFiles): Certificate {
  return checked({ cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') })
}

/** As readCertificate, of files that may be in the middle of being renewed. */
export async function rereadCertificate({ certFile, keyFile }: CertificateFiles): Promise<Certificate> {
  const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')])
  return checked({ cert, key })
}

function checked(certificate: Certificate): Certificate {
  createSecureContext(certificate)
  return certificate
}
