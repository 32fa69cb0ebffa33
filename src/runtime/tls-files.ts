import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Certificate, CertificateFiles } from './certificate.ts'

/** Thrown for a file of certificates or keys that is of no use; the message names its path, and nothing it holds. */
export class TlsFileError extends Error {
  override readonly name = 'TlsFileError'
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g

/** The PEM text of a file with one or more authorities. @throws {TlsFileError} */
export function readAuthorities(path: string): string {
  const text = read(path)
  certificatesOf(text, path)
  return text
}

/** A certificate with its key, which must be each other's. @throws {TlsFileError} */
export function readOwnCertificate({ certFile, keyFile }: CertificateFiles): Certificate {
  const [cert, key] = [read(certFile), read(keyFile)]
  const [own] = certificatesOf(cert, certFile)
  if (!own?.checkPrivateKey(privateKeyOf(key, keyFile)))
    throw new TlsFileError(`the key in ${keyFile} is not that of the certificate in ${certFile}`)
  return { cert, key }
}

/** As keys of PKCS #8 and of the older forms say it. */
const LOCKED = /^-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new TlsFileError(
      `cannot read ${path} (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`,
    )
  }
}

function certificatesOf(text: string, path: string): X509Certificate[] {
  const blocks = text.match(CERTIFICATE) ?? []
  if (blocks.length === 0) throw new TlsFileError(`${path} holds no certificate in PEM form`)
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block)
    } catch {
      throw new TlsFileError(`${path} holds something else where certificate ${index + 1} should be`)
    }
  })
}

function privateKeyOf(text: string, path: string): KeyObject {
  try {
    return createPrivateKey(text)
  } catch {
    throw new TlsFileError(
      LOCKED.test(text)
        ? `the key in ${path} needs a passphrase, which cannot be given`
        : `${path} holds no private key in PEM form`,
    )
  }
}
