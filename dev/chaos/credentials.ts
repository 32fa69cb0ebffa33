import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ACCESS_KINDS, type Access, accessBy, idToken } from '../demo/access.ts'
import type { Pace } from '../demo/stage.ts'

/** `all`: every kind, each for a project of its own, and one key for two projects. */
export const CHAOS_ACCESS = ['all', ...ACCESS_KINDS] as const
export type ChaosAccessKind = (typeof CHAOS_ACCESS)[number]

export const PROJECTS = 6
export const projectIds = (): string[] =>
  Array.from({ length: PROJECTS }, (_, index) => `project-${index + 1}`)

/** Credentials that faults can strike. */
export interface ChaosAccess extends Access {
  /** What must not be found anywhere. */
  secrets: readonly string[]
  /** The limit of each user of the cloud, over all projects; null where there is none. */
  userLimit: Pace | null
  /** The access key in force that faults strike; null where there is none that could be replaced. */
  key(): string | null
  /** Puts the next key into the credentials file, as a person would. */
  replaceKey(): void
}

/** What is fetched is renewed many times in a run, and a lock is over before a key comes back. */
const SHORT_LIVES = { SIM_TOKEN_LIFE_MS: '8000', SIM_KEY_LIFE_MS: '8000', SIM_AK_LOCK_MS: '5000' }
const ACTING = { accessKey: 'CHAOSACTING000000001', secret: 'acting' }
const USER = { user: 'chaos-user', domain: 'chaos-account' }
const AGENCY = { domain: 'chaos-customer', agency: 'provisioner' }
const IDENTITY_PROVIDER = 'chaos-cluster'
/** Two projects share a credential: together they get half as much more than one alone. */
const USER_SHARE = 1.5

/** `secret` is what all secrets begin with; `keys`: how many access keys there are, used one after the other. */
export function chaosAccess(
  kind: ChaosAccessKind,
  { secret, keys, pace }: { secret: string; keys: number; pace: Pace },
): ChaosAccess {
  if (kind !== 'all') {
    const access = accessBy(kind, secret, 'project-1')
    return { ...access, secrets: [secret], userLimit: null, key: () => null, replaceKey: () => undefined }
  }
  const pairs = Array.from({ length: keys }, (_, index) => ({
    accessKey: `CHAOSKEY${String(index + 1).padStart(12, '0')}`,
    secretKey: `${secret}-key-${index + 1}`,
  }))
  const acting = { accessKey: ACTING.accessKey, secretKey: `${secret}-${ACTING.secret}` }
  const password = `${secret}-password`
  const userLimit = {
    rate: pace.rate * USER_SHARE,
    burst: Math.max(2, Math.round(pace.burst * USER_SHARE)),
  }
  let inForce = 0
  let write: () => void = () => undefined

  const key = () => pairs[inForce % pairs.length] ?? acting
  const contentOf = (cloudUrl: string, idTokenFile: string) => ({
    version: inForce + 1,
    credentials: {
      keys: aksk(key()),
      acting: aksk(acting),
      people: { kind: 'password', password, ...USER },
      agency: { kind: 'agency', of: 'acting', ...AGENCY },
      cluster: { kind: 'oidc', idp_id: IDENTITY_PROVIDER, id_token_file: idTokenFile },
      machine: { kind: 'metadata', endpoint: cloudUrl },
    },
    default: 'keys',
    projects: {
      'project-3': { credential: 'people' },
      'project-4': { credential: 'agency' },
      'project-5': { credential: 'cluster' },
      'project-6': { credential: 'machine' },
    },
  })

  return {
    knobs: {
      ...SHORT_LIVES,
      SIM_AUTH_MODE: 'required',
      SIM_AKSK: [...pairs, acting].map(({ accessKey, secretKey }) => `${accessKey}:${secretKey}`).join(','),
      SIM_IAM_USERS: `${USER.user}:${password}`,
      SIM_AGENCIES: `${AGENCY.domain}/${AGENCY.agency}`,
      SIM_IDPS: IDENTITY_PROVIDER,
      SIM_USER_LIMITER_RATE: String(userLimit.rate),
      SIM_USER_LIMITER_BURST: String(userLimit.burst),
    },
    settings: ({ folder, cloudUrl }) => {
      const path = join(folder, 'credentials.json')
      const idTokenFile = join(folder, 'id-token')
      writeFileSync(idTokenFile, idToken(`${secret}-id-token`), { mode: 0o600 })
      write = () => {
        // In one step: a half written file would be a fault of the test.
        writeFileSync(`${path}.new`, JSON.stringify(contentOf(cloudUrl, idTokenFile)), { mode: 0o600 })
        renameSync(`${path}.new`, path)
      }
      write()
      const limit = { per_second: userLimit.rate, burst: userLimit.burst }
      const limits = Object.fromEntries(
        ['keys', 'people', 'agency', 'cluster', 'machine'].map((id) => [id, limit]),
      )
      return {
        CLOUDDC_CREDENTIALS_FILE: path,
        IAM_ENDPOINT: cloudUrl,
        CREDENTIAL_RATE_LIMITS: JSON.stringify(limits),
      }
    },
    secrets: [password, acting.secretKey, ...pairs.map(({ secretKey }) => secretKey), `${secret}-id-token`],
    userLimit,
    key: () => key().accessKey,
    replaceKey: () => {
      inForce += 1
      write()
    },
  }
}

const aksk = ({ accessKey, secretKey }: { accessKey: string; secretKey: string }) => ({
  kind: 'aksk',
  access_key: accessKey,
  secret_key: secretKey,
})
