import { z } from 'zod'
import { type AdminRoute, ok } from './admin-route.ts'

const tokenIssue = z.strictObject({
  region: z.string().min(1).exactOptional(),
  project: z.string().nullable().exactOptional(),
  user: z.string().min(1).exactOptional(),
  lifeMs: z.number().exactOptional(),
})
const keyIssue = z.strictObject({
  user: z.string().min(1).exactOptional(),
  lifeMs: z.number().exactOptional(),
})
const tokenExpiry = z.strictObject({ value: z.string().exactOptional() })
const permission = z.strictObject({ user: z.string().min(1).exactOptional() })

/** The admin port's routes for tokens, keys, sessions and permissions. */
export const credentialRoutes: readonly AdminRoute[] = [
  {
    method: 'POST',
    path: /^\/admin\/tokens$/,
    run: ({ tokens }, { body }) => ({ status: 201, value: tokens.issue(tokenIssue.parse(body ?? {})) }),
  },
  {
    method: 'POST',
    path: /^\/admin\/tokens\/expire$/,
    run: ({ tokens }, { body }) => ok({ expired: tokens.expire(tokenExpiry.parse(body ?? {}).value) }),
  },
  { method: 'GET', path: /^\/admin\/secrets$/, run: ({ secrets }) => ok({ secrets: secrets() }) },
  { method: 'GET', path: /^\/admin\/keys$/, run: ({ keys }) => ok({ keys: keys.list() }) },
  {
    method: 'POST',
    path: /^\/admin\/keys$/,
    run: ({ keys }, { body }) => ({ status: 201, value: keys.issue(keyIssue.parse(body ?? {})) }),
  },
  {
    method: 'POST',
    path: /^\/admin\/keys\/([^/]+)\/withdraw$/,
    run: ({ keys }, { id }) => {
      keys.withdraw(id)
      return ok({})
    },
  },
  {
    method: 'POST',
    path: /^\/admin\/keys\/([^/]+)\/restore$/,
    run: ({ keys }, { id }) => {
      keys.restore(id)
      return ok({})
    },
  },
  {
    method: 'POST',
    path: /^\/admin\/keys\/([^/]+)\/lock$/,
    run: ({ keys }, { id }) => {
      keys.lock(id)
      return ok({})
    },
  },
  {
    method: 'POST',
    path: /^\/admin\/metadata\/expire$/,
    run: ({ metadata }) => ok({ expired: metadata.expire() }),
  },
  {
    method: 'POST',
    path: /^\/admin\/projects\/([^/]+)\/withdraw$/,
    run: ({ permissions }, { id, body }) => {
      permissions.withdraw(id, permission.parse(body ?? {}).user)
      return ok({})
    },
  },
  {
    method: 'POST',
    path: /^\/admin\/projects\/([^/]+)\/restore$/,
    run: ({ permissions }, { id, body }) => {
      permissions.restore(id, permission.parse(body ?? {}).user)
      return ok({})
    },
  },
]
