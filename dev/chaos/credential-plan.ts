import type { SeededRandom } from '../seeded-random.ts'

/** What can go wrong with the credentials of a run; a project is named by its index. */
export const CREDENTIAL_TROUBLES = [
  'expiry',
  'iam_outage',
  'iam_slow',
  'key_withdrawn',
  'key_locked',
  'key_replaced',
  'storm',
  'clock',
  'permission',
  'servers_forbidden',
] as const
export type CredentialTrouble = (typeof CREDENTIAL_TROUBLES)[number]

/** Those after which the key is replaced by another. */
const REPLACING: readonly CredentialTrouble[] = ['key_locked', 'key_replaced']

/** In the gateway's words; none of them locks a key. */
export const STORM_WORDS = [
  'token expires, expires_at: 2026-11-24T12:00:00.000Z',
  'decrypt token fail',
  'verify aksk signature fail',
  'Get secretKey failed,ak:CHAOS,err:ak not exist',
] as const

export type CredentialFault = { kind: 'credential'; forMs: number } & (
  | { how: Exclude<CredentialTrouble, 'storm' | 'clock' | 'permission' | 'servers_forbidden'> }
  | { how: 'storm'; words: (typeof STORM_WORDS)[number] }
  | { how: 'clock'; aheadMs: number }
  | { how: 'permission' | 'servers_forbidden'; project: number }
)

const MINUTE_MS = 60_000

/** One trouble of credentials. Pure but for the draws. */
export function credentialFault(random: SeededRandom, projects: number): CredentialFault {
  const how = random.pick(CREDENTIAL_TROUBLES)
  const forMs = random.between(300, 4000)
  switch (how) {
    case 'storm':
      return { kind: 'credential', how, forMs, words: random.pick(STORM_WORDS) }
    case 'clock': {
      // The gateway takes a quarter of an hour.
      const minutes = random.between(1, 90) * (random.chance(0.5) ? 1 : -1)
      return { kind: 'credential', how, forMs, aheadMs: minutes * MINUTE_MS }
    }
    case 'permission':
    case 'servers_forbidden':
      return { kind: 'credential', how, forMs, project: random.between(0, projects - 1) }
    default:
      return { kind: 'credential', how, forMs }
  }
}

/** How many keys a run needs, one after the other. */
export function keysNeeded(faults: readonly { kind: string; how?: string }[]): number {
  const replacing = faults.filter(
    ({ kind, how }) => kind === 'credential' && REPLACING.some((one) => one === how),
  )
  return 1 + replacing.length
}
