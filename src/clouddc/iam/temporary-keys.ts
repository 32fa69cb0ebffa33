import { z } from 'zod'
import { type Keys, signingHeaders } from '../auth/key-auth.ts'
import { signatureOf } from '../auth/signing.ts'
import type { UpstreamClock } from '../auth/upstream-clock.ts'
import { credentialFault } from '../unauthorized.ts'
import { headerOf, type IamAnswer, IamError, type IamTransport, refusalOf } from './iam-call.ts'
import { type Lease, lifeOf } from './lease.ts'
import { jsonOf } from './tokens.ts'

const PATH = '/v3.0/OS-CREDENTIAL/securitytokens'
/** 15 minutes to 24 hours are possible. */
const LIFE_SECONDS = 3600

const printable = z.string().regex(/^[\x21-\x7e]{1,65536}$/)
const answerSchema = z.object({
  credential: z.object({
    access: printable,
    secret: printable,
    securitytoken: printable,
    expires_at: z.string(),
  }),
})

/**
 * Asks IAM for temporary keys of an agency, signed with the keys of who may act as it; where the account of these is known
 * (`domainId`), it is named as well, as the vendor's SDKs do in calls that concern no project.
 *
 * @throws {IamError} without any secret
 */
export async function askForAgencyKeys(
  transport: IamTransport,
  {
    endpoint,
    keys,
    domainId,
    domain,
    agency,
    clock,
  }: {
    endpoint: string
    keys: Keys
    domainId?: string | undefined
    domain: string
    agency: string
    clock: UpstreamClock
  },
): Promise<Lease<Keys>> {
  const assumed = { domain_name: domain, agency_name: agency, duration_seconds: LIFE_SECONDS }
  const body = JSON.stringify({ auth: { identity: { methods: ['assume_role'], assume_role: assumed } } })
  const { host, pathname } = new URL(endpoint)
  const added = {
    'Content-Type': 'application/json',
    ...(domainId === undefined ? {} : { 'X-Domain-Id': domainId }),
    ...signingHeaders(keys, clock),
  }
  const toSign = {
    method: 'POST',
    path: `${pathname.replace(/\/+$/, '')}${PATH}`,
    query: [],
    headers: { host, ...added },
    body: Buffer.from(body),
  }
  const authorization = signatureOf(toSign, keys)
  const secrets = [
    authorization,
    keys.secretKey,
    ...(keys.securityToken === null ? [] : [keys.securityToken]),
  ]
  const answer = await transport.ask({
    endpoint,
    method: 'POST',
    path: PATH,
    headers: { ...added, Authorization: authorization },
    body,
    secrets,
  })
  if (answer.status !== 201) {
    const refusal = refusalOf(answer, secrets)
    if (credentialFault(refusal.words) === 'clock') clock.answered(headerOf(answer, 'date'))
    throw refusal
  }
  return readKeys(answer)
}

/** The keys in an answer that should hold some. Throws IamError. */
export function readKeys(answer: IamAnswer): Lease<Keys> {
  const parsed = answerSchema.safeParse(jsonOf(answer.body))
  if (!parsed.success) throw new IamError('the answer holds no keys', answer.status)
  const { access, secret, securitytoken, expires_at } = parsed.data.credential
  const lifeMs = lifeOf(expires_at, headerOf(answer, 'date'))
  if (Number.isNaN(lifeMs)) throw new IamError('the answer does not say when the keys end', answer.status)
  return { value: { accessKey: access, secretKey: secret, securityToken: securitytoken }, lifeMs }
}
