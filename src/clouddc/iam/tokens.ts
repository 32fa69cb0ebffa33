import { z } from 'zod'
import { headerOf, IamError, type IamTransport, refusalOf } from './iam-call.ts'
import { type Lease, lifeOf } from './lease.ts'

/** What a token is good for. */
export type Scope = { project: { id: string } } | { domain: { name: string } }

/** Who asks for a token, and how the asking is proven. */
export type TokenProof =
  | { by: 'password'; user: string; password: string; domain: string }
  /** `token` is that of the account that may act as the agency. */
  | { by: 'agency'; token: string; domain: string; agency: string }
  | { by: 'oidc'; idpId: string; idToken: string }

const TOKEN = /^[\x21-\x7e]{1,65536}$/

const answerSchema = z.object({
  token: z.object({ expires_at: z.string(), project: z.object({ id: z.string() }).optional() }),
})

/**
 * Asks IAM for a token of a scope.
 *
 * @throws {IamError} without the secrets of the proof
 */
export async function askForToken(
  transport: IamTransport,
  { endpoint, proof, scope }: { endpoint: string; proof: TokenProof; scope: Scope },
): Promise<Lease<string>> {
  const { path, headers, body, secret } = requestOf(proof, scope)
  const answer = await transport.ask({
    endpoint,
    method: 'POST',
    path,
    headers: { 'Content-Type': 'application/json;charset=utf8', ...headers },
    body: JSON.stringify(body),
    secrets: [secret],
  })
  const token = headerOf(answer, 'x-subject-token')
  if (answer.status !== 201) throw refusalOf(answer, [secret, ...(token === undefined ? [] : [token])])
  if (token === undefined || !TOKEN.test(token)) throw new IamError('the answer has no token', answer.status)
  const parsed = answerSchema.safeParse(jsonOf(answer.body))
  const lifeMs = parsed.success ? lifeOf(parsed.data.token.expires_at, headerOf(answer, 'date')) : Number.NaN
  if (!parsed.success || Number.isNaN(lifeMs))
    throw new IamError('the answer does not say when the token ends', answer.status)
  if ('project' in scope && parsed.data.token.project?.id !== scope.project.id)
    throw new IamError('the token is of another project', answer.status)
  return { value: token, lifeMs }
}

function requestOf(proof: TokenProof, scope: Scope) {
  switch (proof.by) {
    case 'password': {
      const { user, password, domain } = proof
      const identity = {
        methods: ['password'],
        password: { user: { name: user, password, domain: { name: domain } } },
      }
      return { path: TOKENS, headers: {}, body: { auth: { identity, scope } }, secret: password }
    }
    case 'agency': {
      const { token, domain, agency } = proof
      const identity = {
        methods: ['assume_role'],
        assume_role: { domain_name: domain, agency_name: agency },
      }
      const headers = { 'X-Auth-Token': token }
      return { path: TOKENS, headers, body: { auth: { identity, scope } }, secret: token }
    }
    case 'oidc': {
      const { idpId, idToken } = proof
      const body = { auth: { id_token: { id: idToken }, scope } }
      return { path: ID_TOKENS, headers: { 'X-Idp-Id': idpId }, body, secret: idToken }
    }
  }
}

const TOKENS = '/v3/auth/tokens?nocatalog=true'
const ID_TOKENS = '/v3.0/OS-AUTH/id-token/tokens'

/** Undefined for what is not JSON. */
export function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
