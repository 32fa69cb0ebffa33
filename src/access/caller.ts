import { ACCESS_ROLES, type AccessRole, type Rule } from './who-may.ts'

export const PROJECT_ID = /^[A-Za-z0-9_-]{1,64}$/

/** Whoever asks, by a credential that has been judged. */
export interface Caller {
  /**
   * `key:<id>`, `token:<sub> of <issuer>`, `open` where everybody may do everything, or `nobody` without a credential.
   */
  id: string
  roles: ReadonlySet<AccessRole>
  /** The projects whose requests they may see and change. */
  projects: ReadonlySet<string> | '*'
}

/** Everybody, where there is no access file. */
export const OPEN_CALLER: Caller = { id: 'open', roles: new Set(ACCESS_ROLES), projects: '*' }

/** Whoever shows no credential, or a bad one. */
export const NOBODY: Caller = { id: 'nobody', roles: new Set(), projects: new Set() }

/** By whom a caller's share of something is counted; null for everybody where nobody is told apart. */
export function holderOf({ id }: Caller): string | null {
  return id === OPEN_CALLER.id ? null : id
}

/** `unknown`: first say who you are. */
export type Judgement = 'allowed' | 'unknown' | 'forbidden'

/**
 * Whether a caller may use a route of this rule, for the project in its path. Depends on nothing that is stored, so the
 * answer is the same whether the project exists or not. What no rule allows is forbidden.
 */
export function judge(rule: Rule | undefined, caller: Caller, projectId: string | undefined): Judgement {
  if (rule === undefined) return 'forbidden'
  if (rule.role === null) return 'allowed'
  if (caller === NOBODY) return 'unknown'
  if (!caller.roles.has(rule.role)) return 'forbidden'
  if (rule.project === null || caller.projects === '*') return 'allowed'
  if (rule.project === 'all' || projectId === undefined) return 'forbidden'
  return caller.projects.has(projectId) ? 'allowed' : 'forbidden'
}
