import type { Keys } from '../auth/key-auth.ts'
import { headerOf, IamError, type IamTransport, refusalOf } from './iam-call.ts'
import type { Lease } from './lease.ts'
import { readKeys } from './temporary-keys.ts'

/** Of every virtual machine, over plain HTTP, and never further than its host. */
export const METADATA_ENDPOINT = 'http://169.254.169.254'

const TIMEOUT_MS = 3000
const SESSION_SECONDS = 21_600
const SESSION = /^[\x21-\x7e]{1,8192}$/
const NO_AGENCY = /configure cloud service agency/i

/**
 * The temporary keys of the agency of the virtual machine that this runs on, by a session of their own; the old service
 * has no sessions.
 *
 * @throws {IamError} without any secret
 */
export async function askMetadataForKeys(transport: IamTransport, endpoint: string): Promise<Lease<Keys>> {
  const read = async (session: string | null) =>
    transport.ask({
      endpoint,
      method: 'GET',
      path: '/openstack/latest/securitykey',
      headers: session === null ? {} : { 'X-Metadata-Token': session },
      secrets: session === null ? [] : [session],
      timeoutMs: TIMEOUT_MS,
    })

  let session = await openSession(transport, endpoint)
  let answer = await read(session)
  // A session may be over: with another one the question is repeated, once.
  if (answer.status === 401 && !NO_AGENCY.test(answer.body.toString('utf8'))) {
    session = await openSession(transport, endpoint)
    answer = await read(session)
  }
  if (NO_AGENCY.test(answer.body.toString('utf8')))
    throw new IamError('this virtual machine has no agency: one must be configured for it')
  // Without its status: no credential was shown that could be locked, so it is asked again soon.
  if (answer.status !== 200) throw new IamError(refusalOf(answer, session === null ? [] : [session]).message)
  return readKeys(answer)
}

/** Null when the service knows no sessions. */
async function openSession(transport: IamTransport, endpoint: string): Promise<string | null> {
  const answer = await transport.ask({
    endpoint,
    method: 'PUT',
    path: '/meta-data/latest/api/token',
    headers: { 'X-Metadata-Token-Ttl-Seconds': String(SESSION_SECONDS), 'Content-Length': '0' },
    secrets: [],
    timeoutMs: TIMEOUT_MS,
  })
  if (answer.status === 404 || answer.status === 405) return null
  if (answer.status !== 200) throw refusalOf(answer, [])
  const session = answer.body.toString('utf8').trim()
  if (!SESSION.test(session))
    throw new IamError(
      `no session of the metadata service (${headerOf(answer, 'content-type') ?? 'no type'})`,
    )
  return session
}
