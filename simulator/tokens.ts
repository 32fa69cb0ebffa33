import { randomBytes } from 'node:crypto'
import type { Settings } from './options.ts'

export type Token = {
  value: string
  region: string
  /** null: every project of the region; '' none. */
  project: string | null
  /** Whom calls with this token count for. */
  user: string
  issuedAt: number
  expiresAt: number
}

export type TokenIssue = { region?: string; project?: string | null; user?: string; lifeMs?: number }

export type Tokens = {
  find(value: string): Token | undefined
  /** All that were issued, also those that are over. */
  values(): string[]
  issue(token: TokenIssue, now: number): Token
  /** Ends issued tokens now: one, or all. How many. */
  expire(now: number, value?: string): number
  clear(): void
}

export function createTokens({ settings }: { settings: Settings }): Tokens {
  const issued = new Map<string, Token>()
  return {
    find: (value) => issued.get(value),
    values: () => [...issued.keys()],
    issue: (
      { region = settings.region, project = null, user = 'admin', lifeMs = settings.tokenLifeMs },
      now,
    ) => {
      const value = randomBytes(96).toString('base64url')
      const token = { value, region, project, user, issuedAt: now, expiresAt: now + lifeMs }
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
