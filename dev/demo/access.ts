import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** How the service proves to CloudDC who it is. `mixed`: keys for one project, a password for the others. */
export const ACCESS_KINDS = ['token', 'aksk', 'password', 'agency', 'metadata', 'oidc', 'mixed'] as const
export type AccessKind = (typeof ACCESS_KINDS)[number]

/** Where files are put that settings name, and CloudDC with IAM and the metadata service. */
interface Place {
  folder: string
  cloudUrl: string
}

/** The two sides of a credential. */
export interface Access {
  /** The simulator's SIM_ variables. */
  knobs: Readonly<Record<string, string>>
  /** The service's settings. */
  settings(place: Place): Readonly<Record<string, string>>
}

const ACCESS_KEY = 'DEMOACCESSKEY0000001'
const ACCOUNT = 'demo-account'
const USER = 'demo-user'
const IDENTITY_PROVIDER = 'demo-cluster'
const AGENCY = { domain: 'demo-customer', agency: 'provisioner' }

/** What is fetched ends so soon that a demo sees it renewed. */
const SHORT_LIVED = { SIM_TOKEN_LIFE_MS: '30000', SIM_KEY_LIFE_MS: '30000' }

/** `secret` is what must stay secret of it: token, secret key, password, signature of the id token. */
export function accessBy(kind: AccessKind, secret: string, firstProjectId: string): Access {
  const keys = { kind: 'aksk', access_key: ACCESS_KEY, secret_key: secret }
  const password = { kind: 'password', user: USER, password: secret, domain: ACCOUNT }
  const aksk = { SIM_AKSK: `${ACCESS_KEY}:${secret}` }
  switch (kind) {
    case 'token':
      return { knobs: { SIM_AUTH_TOKENS: secret }, settings: () => ({ CLOUDDC_AUTH_TOKEN: secret }) }
    case 'aksk':
      return {
        knobs: aksk,
        settings: () => ({ CLOUDDC_ACCESS_KEY: ACCESS_KEY, CLOUDDC_SECRET_KEY: secret }),
      }
    case 'password':
      return {
        knobs: { ...SHORT_LIVED, SIM_IAM_USERS: `${USER}:${secret}` },
        settings: fromFile(() => ({ credentials: { main: password }, default: 'main' })),
      }
    case 'agency':
      return {
        knobs: { ...SHORT_LIVED, ...aksk, SIM_AGENCIES: `${AGENCY.domain}/${AGENCY.agency}` },
        settings: fromFile(() => ({
          credentials: { own: keys, main: { kind: 'agency', of: 'own', ...AGENCY } },
          default: 'main',
        })),
      }
    case 'metadata':
      return {
        knobs: { ...SHORT_LIVED, SIM_AUTH_MODE: 'required' },
        settings: fromFile(({ cloudUrl }) => ({
          credentials: { main: { kind: 'metadata', endpoint: cloudUrl } },
          default: 'main',
        })),
      }
    case 'oidc':
      return {
        knobs: { ...SHORT_LIVED, SIM_AUTH_MODE: 'required', SIM_IDPS: IDENTITY_PROVIDER },
        settings: fromFile(({ folder }) => {
          const path = join(folder, 'id-token')
          writeFileSync(path, idToken(secret), { mode: 0o600 })
          const oidc = { kind: 'oidc', idp_id: IDENTITY_PROVIDER, id_token_file: path }
          return { credentials: { main: oidc }, default: 'main' }
        }),
      }
    case 'mixed':
      return {
        knobs: { ...SHORT_LIVED, ...aksk, SIM_IAM_USERS: `${USER}:${secret}` },
        settings: fromFile(() => ({
          credentials: { keys, people: password },
          default: 'people',
          projects: { [firstProjectId]: { credential: 'keys' } },
        })),
      }
  }
}

/** By a credentials file, with the simulator as IAM. */
function fromFile(contentOf: (place: Place) => object): Access['settings'] {
  return (place) => {
    const { folder, cloudUrl } = place
    const path = join(folder, 'credentials.json')
    writeFileSync(path, JSON.stringify({ version: 1, ...contentOf(place) }), { mode: 0o600 })
    return { CLOUDDC_CREDENTIALS_FILE: path, IAM_ENDPOINT: cloudUrl }
  }
}

/** As Kubernetes puts it into a pod, but for the signature. */
export function idToken(signature: string): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${encode({ alg: 'RS256' })}.${encode({ sub: 'system:serviceaccount:demo:provisioner' })}.${signature}`
}
