import { readFileSync } from 'node:fs'
import { type Credential, type Credentials, credentialsOf, type Secret } from './clouddc/auth/credentials.ts'
import { CredentialsError, parseCredentials } from './clouddc/auth/credentials-file.ts'
import { isLoopback, isReadable } from './clouddc/regions.ts'

/** What the environment says of CloudDC and of the service's credentials there. */
export interface CredentialSettings {
  clouddcEndpoint: string
  iamEndpoint: string | null
  clouddcAuthToken: string | null
  clouddcAccessKey: string | null
  clouddcSecretKey: string | null
  clouddcSecurityToken: string | null
  clouddcCredentialsFile: string | null
  clouddcInsecure: boolean
  /** The paths of those secrets that came as files. */
  secretFiles: Readonly<
    Partial<
      Record<'clouddcAuthToken' | 'clouddcAccessKey' | 'clouddcSecretKey' | 'clouddcSecurityToken', string>
    >
  >
}

/** The credential that the environment itself holds. */
export function environmentCredential(settings: CredentialSettings): Credential | null {
  const secretOf = (name: keyof CredentialSettings['secretFiles']): Secret | null => {
    const file = settings.secretFiles[name]
    if (file !== undefined) return { file }
    const value = settings[name]
    return value === null ? null : { value }
  }
  const accessKey = secretOf('clouddcAccessKey')
  const secretKey = secretOf('clouddcSecretKey')
  if (accessKey !== null && secretKey !== null)
    return { kind: 'aksk', accessKey, secretKey, securityToken: secretOf('clouddcSecurityToken') }
  const token = secretOf('clouddcAuthToken')
  return token && { kind: 'token', token }
}

/** All credentials, with what is wrong in their file; no fault holds a secret. */
export function readCredentials(settings: CredentialSettings): {
  credentials: Credentials
  faults: string[]
} {
  const environment = environmentCredential(settings)
  const path = settings.clouddcCredentialsFile
  if (path === null) return { credentials: credentialsOf(environment), faults: [] }
  try {
    const text = readFileSync(path, 'utf8')
    const credentials = parseCredentials(text, { environment, insecure: settings.clouddcInsecure })
    return { credentials, faults: [] }
  } catch (error) {
    const reasons =
      error instanceof CredentialsError
        ? error.faults
        : [`cannot read ${path} (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`]
    const faults = reasons.map((reason) => `CLOUDDC_CREDENTIALS_FILE: ${reason}`)
    return { credentials: credentialsOf(environment), faults }
  }
}

/** Limits of credentials that there will never be. A credentials file may yet bring them (budget/credential-sync.ts). */
export function strangerFaults(
  settings: { credentialRateLimits: ReadonlyMap<string, unknown>; clouddcCredentialsFile: string | null },
  { byId }: Credentials,
): string[] {
  if (settings.clouddcCredentialsFile !== null) return []
  const unknown = [...settings.credentialRateLimits.keys()].filter((id) => !byId.has(id))
  return unknown.map((id) => `CREDENTIAL_RATE_LIMITS.${id}: there is no such credential`)
}

/** Why calls must not be made with these settings: unencrypted, or by nobody. */
export function targetFaults(settings: CredentialSettings, { byId }: Credentials): string[] {
  if (settings.clouddcInsecure) return []
  const { clouddcEndpoint, iamEndpoint } = settings
  const faults: string[] = []
  const readable = 'sends passwords over http to another machine; give https, or set CLOUDDC_INSECURE=on'
  if (isReadable(clouddcEndpoint)) faults.push(`CLOUDDC_ENDPOINT: ${readable}`)
  if (iamEndpoint !== null && isReadable(iamEndpoint)) faults.push(`IAM_ENDPOINT: ${readable}`)
  if (byId.size === 0 && !isLoopback(clouddcEndpoint))
    faults.push('CLOUDDC_CREDENTIALS_FILE: there is no credential for CloudDC, of whatever kind')
  return faults
}
