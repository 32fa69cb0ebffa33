import type { RegionAddresses } from '../regions.ts'

/** A secret as it is, or the path of a file that is read again when it changes. */
export type Secret = { value: string } | { file: string }

/** What the service proves itself with. */
export type Credential =
  | { kind: 'token'; token: Secret }
  /** `securityToken` is that of temporary keys; `domainId` is the account, as IAM may want to know it. */
  | {
      kind: 'aksk'
      accessKey: Secret
      secretKey: Secret
      securityToken: Secret | null
      domainId?: string | undefined
    }
  /** A user of IAM, in the account `domain`. */
  | { kind: 'password'; user: string; password: string; domain: string }
  /** The credential `of` acts for the account `domain`, as its agency lets it. */
  | { kind: 'agency'; of: string; domain: string; agency: string }
  /** The agency of the virtual machine that this runs on; `endpoint` is of its metadata service, null the usual one. */
  | { kind: 'metadata'; endpoint: string | null }
  /** A workload identity: the file holds the id token of now. */
  | { kind: 'oidc'; idpId: string; idTokenFile: string }

export interface ProjectAccess {
  /** The id of its credential; null for the default. */
  credential: string | null
  /** Null for the installation's own. */
  region: string | null
}

/** All credentials, by ids that may be logged, and who uses which. */
export interface Credentials {
  byId: ReadonlyMap<string, Credential>
  /** Of projects that name none; null when these have none. */
  defaultId: string | null
  projects: ReadonlyMap<string, ProjectAccess>
  regions: ReadonlyMap<string, RegionAddresses>
}

/** The form of an id. */
export const CREDENTIAL_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** The id of the credential that comes from the environment. */
export const ENVIRONMENT_ID = 'default'

/** What a project without a credential has instead of an id. */
export const NO_CREDENTIAL = 'none'

/** Credentials as the environment alone gives them. */
export function credentialsOf(credential: Credential | null): Credentials {
  return {
    byId: new Map(credential === null ? [] : [[ENVIRONMENT_ID, credential]]),
    defaultId: credential === null ? null : ENVIRONMENT_ID,
    projects: new Map(),
    regions: new Map(),
  }
}

/** The id of the credential that a project uses; null when it has none. */
export function credentialIdOf({ projects, defaultId }: Credentials, projectId: string): string | null {
  return projects.get(projectId)?.credential ?? defaultId
}

export function regionOf({ projects }: Credentials, projectId: string): string | null {
  return projects.get(projectId)?.region ?? null
}

/** The kind of a credential as the log calls it. */
export function kindOf(credential: Credential): string {
  if (credential.kind === 'aksk') return credential.securityToken === null ? 'keys' : 'temporary keys'
  if (credential.kind === 'token') return 'file' in credential.token ? 'token file' : 'fixed token'
  return credential.kind
}
