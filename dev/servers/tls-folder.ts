import { chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Account } from './account.ts'
import type { ServerTls } from './server.ts'

/** The files of a server's TLS, readable for the server's own account only. */
export interface TlsFolder {
  readonly certFile: string
  readonly keyFile: string
  readonly caFile: string
  write(own: Pick<ServerTls, 'cert' | 'key'>): void
}

export function createTlsFolder(path: string, tls: ServerTls, account?: Account): TlsFolder {
  mkdirSync(path, { mode: 0o700, recursive: true })
  const [certFile, keyFile, caFile] = ['cert.pem', 'key.pem', 'ca.pem'].map((name) => join(path, name)) as [
    string,
    string,
    string,
  ]
  const write = ({ cert, key }: Pick<ServerTls, 'cert' | 'key'>) => {
    writeFileSync(certFile, cert)
    writeFileSync(keyFile, key, { mode: 0o600 })
  }
  write(tls)
  writeFileSync(caFile, tls.ca)
  if (account) for (const file of [path, certFile, keyFile, caFile]) chownSync(file, account.uid, account.gid)
  return { certFile, keyFile, caFile, write }
}
