import { readFileSync } from 'node:fs'
import { AccessFileError, type AccessRules, parseAccessFile } from './access/access-file.ts'
import { isLoopbackAddress } from './access/addresses.ts'
import { keyFileFault } from './access/key-sets.ts'
import { readCertificate } from './runtime/certificate.ts'
import { coerceError } from './runtime/errors.ts'

/** What the environment says of who may use the HTTP API, and over what. */
export interface AccessSettings {
  host: string
  port: number
  metricsPort: number | null
  apiAccess: 'open' | null
  apiAccessFile: string | null
  httpCertFile: string | null
  httpKeyFile: string | null
}

/** The access file as it stands; null without one. No fault repeats what a file holds. */
export function readAccess(settings: AccessSettings): { rules: AccessRules | null; faults: string[] } {
  const { apiAccessFile: path, apiAccess, host } = settings
  if (path === null) {
    const mayBeOpen = apiAccess === 'open' || isLoopbackAddress(host)
    const fault = `is required where others can reach HOST (${host}); API_ACCESS=open lets everybody do everything`
    return { rules: null, faults: mayBeOpen ? [] : [`API_ACCESS_FILE: ${fault}`] }
  }
  if (apiAccess === 'open') {
    return { rules: null, faults: ['API_ACCESS: must not be open together with API_ACCESS_FILE'] }
  }
  try {
    const rules = parseAccessFile(readFileSync(path, 'utf8'))
    return { rules, faults: keyFaults(rules).map((fault) => `API_ACCESS_FILE: ${fault}`) }
  } catch (error) {
    const reasons = error instanceof AccessFileError ? error.faults : [cannotRead(path, error)]
    return { rules: null, faults: reasons.map((reason) => `API_ACCESS_FILE: ${reason}`) }
  }
}

/** Why HTTP cannot be served as the settings say. */
export function listenerFaults(settings: AccessSettings): string[] {
  const { port, metricsPort, httpCertFile, httpKeyFile } = settings
  const faults: string[] = []
  if (metricsPort === port) faults.push('METRICS_PORT: must not be PORT')
  if (httpCertFile === null && httpKeyFile === null) return faults
  if (httpCertFile === null) return [...faults, 'HTTP_CERT_FILE: is required with HTTP_KEY_FILE']
  if (httpKeyFile === null) return [...faults, 'HTTP_KEY_FILE: is required with HTTP_CERT_FILE']
  try {
    readCertificate({ certFile: httpCertFile, keyFile: httpKeyFile })
  } catch (error) {
    faults.push(`HTTP_CERT_FILE, HTTP_KEY_FILE: ${coerceError(error).message}`)
  }
  return faults
}

function keyFaults({ issuers }: AccessRules): string[] {
  return issuers.flatMap(({ keys }, index) => {
    const fault = 'file' in keys ? keyFileFault(keys.file) : null
    return fault === null ? [] : [`issuers.${index}.jwks_file: ${fault}`]
  })
}

function cannotRead(path: string, error: unknown): string {
  return `cannot read ${path} (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`
}
