import { randomBytes } from 'node:crypto'
import { isoTime } from './clock.ts'
import type { Settings } from './options.ts'
import { forbidden, gatewayRefusal, type Reply } from './reply.ts'

/**
 * Tokens. In mode `open` a call needs none and an unknown one passes; in mode `required` it must be a configured
 * or an issued one. A token that the simulator issued is held to its expiry, region and project in both modes.
 */
export type Token = {
  value: string
  region: string
  /** null: every project of the region. */
  project: string | null
  issuedAt: number
  expiresAt: number
}

export type Auth = {
  /** null when the call may go on. */
  check(token: string | undefined, project: string, requestId: string, now: number): Reply | null
  issue(token: { region?: string; project?: string | null; ttlMs?: number }, now: number): Token
  /** Ends issued tokens now: one, or all. How many. */
  expire(now: number, value?: string): number
  clear(): void
}

export function createAuth({ settings }: { settings: Settings }): Auth {
  const issued = new Map<string, Token>()
  const required = () =>
    (settings.authMode ??
      (settings.authTokens.length > 0 || settings.iamUsers.length > 0 ? 'required' : 'open')) === 'required'
  const strange = (project: string) => settings.projects.length > 0 && !settings.projects.includes(project)

  return {
    check: (value, project, requestId, now) => {
      const refuse = (reason: string) => wrongCredential(reason, requestId)
      if (!value) return required() ? refuse('x-auth-token not found') : strange(project) ? forbidden() : null
      const token = issued.get(value)
      if (!token) {
        if (required() && !settings.authTokens.includes(value)) return refuse('decrypt token fail')
        return strange(project) ? forbidden() : null
      }
      if (now >= token.expiresAt) return refuse(`token expires, expires_at: ${isoTime(token.expiresAt)}`)
      if (token.region !== settings.region) {
        return gatewayRefusal(401, 'APIGW.0307', 'The token must be updated', requestId)
      }
      return strange(project) || (token.project ?? project) !== project ? forbidden() : null
    },
    issue: ({ region = settings.region, project = null, ttlMs = settings.tokenTtlMs }, now) => {
      const value = randomBytes(96).toString('base64url')
      const token = { value, region, project, issuedAt: now, expiresAt: now + ttlMs }
      issued.set(value, token)
      return token
    },
    expire: (now, value) => {
      const ended = [...issued.values()].filter(
        (token) => token.expiresAt > now && (value ?? token.value) === token.value,
      )
      for (const token of ended) token.expiresAt = now
      return ended.length
    },
    clear: () => issued.clear(),
  }
}

const wrongCredential = (reason: string, requestId: string) =>
  gatewayRefusal(401, 'APIGW.0301', `Incorrect IAM authentication information: ${reason}`, requestId)
