import { randomBytes } from 'node:crypto'
import { credentialOf } from './iam.ts'
import type { KeyRing } from './keys.ts'
import type { Call } from './ledger.ts'
import type { Settings } from './options.ts'
import { plain, type Reply, reply } from './reply.ts'
import { headerOf, type WireCall } from './signature.ts'

/** The metadata service of a VM, plain text where it says no. */
export type Metadata = {
  /** `PUT /meta-data/latest/api/token`: a session for as long as `X-Metadata-Token-Ttl-Seconds` asks. */
  createSession(wire: WireCall, now: number): Reply
  /** `GET /openstack/latest/securitykey`: another temporary key of the VM's agency each time. */
  showKey(wire: WireCall, call: Call, now: number): Reply
  /** Ends all sessions; how many. */
  expire(): number
}

/** Whom keys of the VM's agency count for. */
const holder = 'vm-agency'
const longestSession = 21_600

export function createMetadata({ settings, keys }: { settings: Settings; keys: KeyRing }): Metadata {
  const sessions = new Map<string, number>()
  return {
    createSession: (wire, now) => {
      // The old service has no sessions: its clients go on without.
      if (settings.metadata === 'plain') return plain(404, 'Not Found')
      const seconds = Number(headerOf(wire.headers, 'x-metadata-token-ttl-seconds'))
      if (!Number.isInteger(seconds) || seconds < 1 || seconds > longestSession) {
        return plain(400, 'Bad Request')
      }
      const session = randomBytes(40).toString('base64url')
      sessions.set(session, now + seconds * 1000)
      return plain(200, session)
    },
    showKey: (wire, call, now) => {
      if (settings.metadata === 'no_agency') {
        return plain(401, 'Please configure Cloud Service Agency first')
      }
      const end = sessions.get(headerOf(wire.headers, 'x-metadata-token')) ?? 0
      if (settings.metadata === 'sessions' && now >= end) return plain(401, 'Unauthorized')
      call.user = holder
      return reply(200, credentialOf(keys.issue({ user: holder, lifeMs: settings.keyLifeMs }, now), settings))
    },
    expire: () => {
      const { size } = sessions
      sessions.clear()
      return size
    },
  }
}
