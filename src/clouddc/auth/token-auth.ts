import type { Logger } from 'pino'
import type { Method } from './auth.ts'
import { createRenewal } from './renewal.ts'
import type { Source } from './source.ts'

const HEADER = 'X-Auth-Token'

/** Authentication by `X-Auth-Token`. */
export function createTokenAuth({
  sourceOf,
  what = 'the CloudDC token',
  logger,
}: {
  /** Where the token of a project comes from; the same for all where tokens are not scoped to one. */
  sourceOf: (projectId: string) => Source<string>
  /** As the log calls it. */
  what?: string
  logger: Logger
}): Method {
  const renewal = createRenewal<Source<string>>({ what, logger })
  return {
    headersFor: async ({ projectId }) => ({ [HEADER]: await sourceOf(projectId).current() }),
    refused: (projectId, used) => {
      const source = sourceOf(projectId)
      const refused = used[HEADER]
      return renewal(source, async () => (await source.renew(refused)) !== refused)
    },
  }
}
