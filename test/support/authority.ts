import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const DAY_MS = 86_400_000

export interface Certified {
  /** PEM. */
  cert: string
  /** PEM, PKCS #8. */
  key: string
}

/** An authority that nobody knows. */
export interface Authority {
  /** PEM. */
  cert: string
  /** A certificate for these DNS names and addresses; `days` from now to its end, negative where that is over. */
  certify(subject: { name?: string; dns?: string[]; ip?: string[]; days?: number }): Promise<Certified>
}

export async function createAuthority(name = 'authority of the test'): Promise<Authority> {
  const keys = await generateKeys()
  const root = await X509CertificateGenerator.createSelfSigned({
    ...common(30),
    name: `CN=${name}`,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  })
  return {
    cert: pemOf(root),
    certify: async ({ name: own = 'of the test', dns = [], ip = [], days = 10 }) => {
      const ownKeys = await generateKeys()
      const certificate = await X509CertificateGenerator.create({
        ...common(days),
        subject: `CN=${own}`,
        issuer: root.subject,
        publicKey: ownKeys.publicKey,
        signingKey: keys.privateKey,
        extensions: [
          new SubjectAlternativeNameExtension([
            ...dns.map((value) => ({ type: 'dns' as const, value })),
            ...ip.map((value) => ({ type: 'ip' as const, value })),
          ]),
        ],
      })
      return { cert: pemOf(certificate), key: await keyPemOf(ownKeys.privateKey) }
    },
  }
}

/** Writes PEM texts as files, and returns their paths. */
export function writePems<Name extends string>(
  folder: string,
  pems: Readonly<Record<Name, string>>,
): Record<Name, string> {
  const paths = Object.entries<string>(pems).map(([name, pem]) => {
    const path = join(folder, `${name}.pem`)
    writeFileSync(path, pem)
    return [name, path]
  })
  return Object.fromEntries(paths) as Record<Name, string>
}

function common(days: number) {
  return {
    serialNumber: randomBytes(8).toString('hex'),
    notBefore: new Date(Date.now() - 20 * DAY_MS),
    notAfter: new Date(Date.now() + days * DAY_MS),
    signingAlgorithm: ALGORITHM,
  }
}

const generateKeys = () => webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
const pemOf = (certificate: X509Certificate) => certificate.toString('pem')

async function keyPemOf(key: webcrypto.CryptoKey): Promise<string> {
  return PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')
}
