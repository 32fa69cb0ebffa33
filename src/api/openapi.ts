import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { SECURITY_SCHEMES, withAccess } from './openapi-access.ts'
import { tidyDocument } from './openapi-schemas.ts'
import type { DocumentedReply } from './replies.ts'
import { PAGE_POLICY } from './security-headers.ts'

/** The documentation page has styles within it. */
const DOCS_POLICY = { ...PAGE_POLICY, 'style-src': ["'self'", "'unsafe-inline'"] }

type SchemaOverride = NonNullable<NonNullable<Parameters<typeof z.toJSONSchema>[1]>['override']>

/**
 * Times are strings on the wire; replies may gain fields, while a body with members that its schema does not know is
 * refused; the bounds of a double go without saying.
 */
const describeSchema: SchemaOverride = ({ zodSchema, jsonSchema }) => {
  if (zodSchema._zod.def.type === 'date') Object.assign(jsonSchema, { type: 'string', format: 'date-time' })
  if (jsonSchema.additionalProperties === false && !isStrict(zodSchema))
    delete jsonSchema.additionalProperties
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
}

/** Whether it refuses members that it does not know. */
function isStrict({ _zod }: Parameters<SchemaOverride>[0]['zodSchema']): boolean {
  return _zod.def.type === 'object' && _zod.def.catchall?._zod.def.type === 'never'
}

type Transform = ReturnType<typeof createJsonSchemaTransform>

const describeRoute = createJsonSchemaTransform({ zodToJsonConfig: { override: describeSchema } })

type DescribedReply = { type?: string } & {
  [Key in keyof DocumentedReply<z.ZodType>]?: DocumentedReply<z.ZodType>[Key] | undefined
}

/** With who may use it, and with the headers and examples of replies, which the transform of schemas leaves out. */
const describeRouteFully: Transform = (found) => {
  const { schema, route: registered, url } = found
  const route =
    schema === undefined || schema.hide
      ? found
      : { ...found, schema: withAccess(schema, { method: String(registered.method), url }) }
  const described = describeRoute(route)
  const given = (route.schema?.response ?? {}) as Record<string, Partial<DocumentedReply<z.ZodType>>>
  const replies = (described.schema.response ?? {}) as Record<string, DescribedReply>
  for (const [status, { headers, content }] of Object.entries(given)) {
    if (headers) Object.assign(replies[status] ?? {}, { headers })
    // To the plugin: a reply without a body.
    if (content && Object.keys(content).length === 0)
      replies[status] = { ...replies[status], type: 'null', content: undefined }
    for (const [type, { example }] of Object.entries(content ?? {})) {
      const shown: unknown = JSON.parse(JSON.stringify(example))
      Object.assign(replies[status]?.content?.[type] ?? {}, { example: shown })
    }
  }
  return described
}

const describeComponents = createJsonSchemaTransformObject({ zodToJsonConfig: { override: describeSchema } })

const describeDocument: typeof describeComponents = (document) => tidyDocument(describeComponents(document))

/** Collects the routes registered after it, and serves them at /openapi.json and, for people, at /docs. */
export function registerOpenapi(app: FastifyInstance): void {
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'CloudDC provisioner',
        version: '1',
        description:
          'What became of provision requests. Requests come in, and events go out, through RabbitMQ. ' +
          'Times are RFC 3339 UTC with milliseconds; errors are RFC 9457 problem documents.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/', description: 'Whoever serves this document' }],
      components: { securitySchemes: SECURITY_SCHEMES },
      tags: [
        { name: 'provision requests', description: 'Orders of servers: status, history, cancelling' },
        { name: 'instances', description: 'Servers that were ordered here' },
        {
          name: 'operations',
          description: 'For operators: what is in trouble, and what can be done about it',
        },
        { name: 'operation', description: 'Health and metrics of this process' },
      ],
    },
    transform: describeRouteFully,
    transformObject: describeDocument,
  })
  app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: DOCS_POLICY,
    theme: { title: 'CloudDC provisioner' },
    uiConfig: { layout: 'BaseLayout', docExpansion: 'list', tryItOutEnabled: true },
  })
  app.register(async (scope) => {
    scope.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
  })
}
