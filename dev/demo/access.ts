/** How the service proves to CloudDC who it is: the two sides of one credential. */
export interface Access {
  /** The simulator's SIM_ variables. */
  knobs: Readonly<Record<string, string>>
  /** The service's settings. */
  settings: Readonly<Record<string, string>>
}

export const ACCESS_KINDS = ['token', 'aksk'] as const
export type AccessKind = (typeof ACCESS_KINDS)[number]

const ACCESS_KEY = 'DEMOACCESSKEY0000001'

/** `secret` is what must stay secret of it: the token, or the secret key. */
export function accessBy(kind: AccessKind, secret: string): Access {
  switch (kind) {
    case 'token':
      return { knobs: { SIM_AUTH_TOKENS: secret }, settings: { CLOUDDC_AUTH_TOKEN: secret } }
    case 'aksk':
      return {
        knobs: { SIM_AKSK: `${ACCESS_KEY}:${secret}` },
        settings: { CLOUDDC_ACCESS_KEY: ACCESS_KEY, CLOUDDC_SECRET_KEY: secret },
      }
  }
}
