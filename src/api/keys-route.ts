import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { keySetSchema, type SealingKeys } from '../contracts/key-set.ts'
import { EXAMPLES } from './examples.ts'
import { problemReplies, reply } from './replies.ts'

/** A key that is no longer published opens for as long as it is in SECRET_KEYS; producers need not ask each time. */
const CACHE_CONTROL = 'public, max-age=300'
const JWK_SET = 'application/jwk-set+json'

/** The public keys to which producers seal passwords. Open to everybody. */
export function registerKeysRoute(
  instance: FastifyInstance,
  { publicKeys }: { publicKeys: SealingKeys },
): void {
  instance.withTypeProvider<ZodTypeProvider>().get(
    '/.well-known/provisioner-keys',
    {
      schema: {
        tags: ['provision requests'],
        operationId: 'getSealingKeys',
        summary: 'The public keys to which passwords are sealed',
        description:
          'A JWK set (RFC 7517). With a key of it, spec.password_jwe is made: docs/sealing-passwords.md.',
        response: {
          200: reply('The keys', keySetSchema, EXAMPLES.keySet, JWK_SET),
          ...problemReplies([]),
        },
      },
    },
    async (_request, answer) =>
      answer.header('content-type', JWK_SET).header('cache-control', CACHE_CONTROL).send(publicKeys),
  )
}
