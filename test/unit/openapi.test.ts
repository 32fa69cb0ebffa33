import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { ruleOf } from '../../src/access/who-may.ts'
import { setUpApi } from '../support/api-world.ts'

/** The OpenAPI document explains itself: nothing in it is without words, and nothing that is answered without example. */

interface Schema {
  $ref?: string
  type?: string
  description?: string
  properties?: Record<string, Schema>
  items?: Schema
  additionalProperties?: Schema | boolean
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  examples?: unknown[]
  example?: unknown
}

interface Reply {
  description?: string
  headers?: Record<string, { description?: string }>
  /** Missing where the reply has no body. */
  content?: Record<string, { schema: Schema; example?: unknown }>
}

interface Operation {
  security?: object[]
  operationId?: string
  summary?: string
  description?: string
  requestBody?: { content: Record<string, { schema: Schema }> }
  parameters?: { name: string; description?: string; schema: Schema; example?: unknown; examples?: unknown }[]
  responses: Record<string, Reply>
}

interface OpenapiDocument {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

async function readDocument() {
  const { api } = setUpApi()
  const document = (await api.app.inject('/openapi.json')).json<OpenapiDocument>()
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, path, operation })),
  )
  return { api, schemas: document.components.schemas, operations }
}

/** Every member below a schema, by its place; references are followed by whoever looks at what they name. */
function membersOf(schema: Schema, place: string): { place: string; member: Schema }[] {
  const parts = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])]
  const inner = typeof schema.additionalProperties === 'object' ? [schema.additionalProperties] : []
  return [
    ...Object.entries(schema.properties ?? {}).flatMap(([name, member]) => [
      { place: `${place}.${name}`, member },
      ...membersOf(member, `${place}.${name}`),
    ]),
    ...[...parts, ...inner, ...(schema.items ? [schema.items] : [])].flatMap((part) =>
      membersOf(part, place),
    ),
  ]
}

/** Whether the value of a member is shown: here, or where its schema stands on its own. */
function isShown(member: Schema): boolean {
  const parts = [member, ...(member.anyOf ?? []), ...(member.items ? [member.items] : [])]
  return parts.some((part) => part.$ref ?? part.examples ?? part.example ?? part.items)
}

const without = (text: string | undefined) => text === undefined || text.trim() === ''

describe('the OpenAPI document', () => {
  test('describes every operation, and shows an example of its success', async () => {
    const { operations } = await readDocument()
    expect(operations.length).toBeGreaterThan(7)
    for (const { name, operation } of operations) {
      expect(without(operation.summary), `${name}: summary`).toBe(false)
      expect(without(operation.description), `${name}: description`).toBe(false)
      const { 200: ok, 202: accepted } = operation.responses
      for (const { example } of Object.values((ok ?? accepted)?.content ?? {})) {
        expect(example, `${name}: example`).toBeDefined()
      }
      expect(ok ?? accepted, name).toBeDefined()
    }
  })

  test('gives every operation a name of its own, for the functions of generated clients', async () => {
    const { operations } = await readDocument()
    const names = operations.map(({ operation }) => operation.operationId ?? '')
    expect(names.filter((name) => !/^[a-z]+([A-Z][a-z]+)*$/.test(name))).toEqual([])
    expect(new Set(names).size).toBe(names.length)
  })

  test('describes every reply, with an example of each problem', async () => {
    const { operations } = await readDocument()
    for (const { name, operation } of operations) {
      for (const [status, reply] of Object.entries(operation.responses)) {
        expect(without(reply.description), `${name} ${status}`).toBe(false)
        for (const [type, { example }] of Object.entries(reply.content ?? {})) {
          expect(example, `${name} ${status}`).toBeDefined()
          if (type === 'application/problem+json') expect(example).toMatchObject({ status: Number(status) })
        }
      }
    }
  })

  test('says of the bodies it takes that members it does not know are refused', async () => {
    const { operations, schemas } = await readDocument()
    const objectsIn = (schema: Schema): Schema[] => {
      const named =
        schema.$ref === undefined ? schema : (schemas[schema.$ref.split('/').at(-1) ?? ''] ?? schema)
      const { anyOf = [], oneOf = [], allOf = [], properties } = named
      return [...anyOf, ...oneOf, ...allOf].flatMap(objectsIn).concat(properties === undefined ? [] : [named])
    }
    const bodies = operations.flatMap(({ name, operation }) =>
      Object.values(operation.requestBody?.content ?? {}).map(({ schema }) => ({ name, schema })),
    )
    expect(bodies.length).toBeGreaterThan(2)
    for (const { name, schema } of bodies) {
      expect(objectsIn(schema).length, name).toBeGreaterThan(0)
      for (const object of objectsIn(schema)) expect(object.additionalProperties, name).toBe(false)
    }
    // Replies may gain members.
    for (const { operation } of operations)
      for (const reply of Object.values(operation.responses))
        for (const { schema } of Object.values(reply.content ?? {}))
          for (const object of objectsIn(schema)) expect(object.additionalProperties).not.toBe(false)
  })

  test('says of every operation who may use it, and what all others are told', async () => {
    const { operations } = await readDocument()
    for (const { name, path, operation } of operations) {
      const { security, responses, description = '' } = operation
      const role = ruleOf(name.split(' ')[0]?.toUpperCase() ?? '', path.replaceAll(/\{(\w+)\}/g, ':$1'))?.role
      expect(security, name).toEqual(role == null ? [] : [{ bearer: [] }])
      expect('401' in responses, name).toBe(role != null)
      expect('403' in responses, name).toBe(true)
      expect('429' in responses, name).toBe(path !== '/healthz' && path !== '/readyz')
      if (role != null) expect(description, name).toContain(`Needs the role \`${role}\``)
    }
  })

  test('has examples that fit their schemas', async () => {
    const { schemas, operations } = await readDocument()
    const asJsonSchema = (schema: Schema): Parameters<typeof z.fromJSONSchema>[0] =>
      JSON.parse(
        JSON.stringify({ ...schema, $defs: schemas }).replaceAll('#/components/schemas/', '#/$defs/'),
      )
    const shown = operations.flatMap(({ name, operation }) =>
      Object.entries(operation.responses).flatMap(([status, { content = {} }]) =>
        Object.values(content).map((media) => ({ place: `${name} ${status}`, ...media })),
      ),
    )
    const members = Object.entries(schemas).flatMap(([name, schema]) => membersOf(schema, name))
    for (const { place, member } of members) {
      for (const example of member.examples ?? []) shown.push({ place, schema: member, example })
    }
    const unfit = shown.filter(
      ({ schema, example }) => !z.fromJSONSchema(asJsonSchema(schema)).safeParse(example).success,
    )
    expect(unfit.map(({ place }) => place)).toEqual([])
  })

  test('describes every parameter, with an example', async () => {
    const { operations } = await readDocument()
    for (const { name, operation } of operations) {
      for (const parameter of operation.parameters ?? []) {
        const { description, example, examples, schema } = parameter
        expect(without(description), `${name}: ${parameter.name}`).toBe(false)
        expect(example ?? examples ?? schema.examples, `${name}: ${parameter.name}`).toBeDefined()
      }
    }
  })

  test('describes every member of a body, with an example', async () => {
    const { operations } = await readDocument()
    const members = operations.flatMap(({ name, operation }) =>
      Object.values(operation.requestBody?.content ?? {}).flatMap(({ schema }) => membersOf(schema, name)),
    )
    expect(members.length).toBeGreaterThan(2)
    expect(members.filter(({ member }) => without(member.description)).map(({ place }) => place)).toEqual([])
    expect(members.filter(({ member }) => !isShown(member)).map(({ place }) => place)).toEqual([])
  })

  test('describes every named schema and every member, with an example', async () => {
    const { schemas, operations } = await readDocument()
    const named = Object.entries(schemas)
    const inReplies = operations.flatMap(({ name, operation }) =>
      Object.values(operation.responses).flatMap(({ content = {} }) =>
        Object.values(content).flatMap(({ schema }) => membersOf(schema, name)),
      ),
    )
    const members = [...named.flatMap(([name, schema]) => membersOf(schema, name)), ...inReplies]
    expect(named.filter(([, { description }]) => without(description)).map(([name]) => name)).toEqual([])
    expect(members.length).toBeGreaterThan(50)
    expect(members.filter(({ member }) => without(member.description)).map(({ place }) => place)).toEqual([])
    expect(members.filter(({ member }) => !isShown(member)).map(({ place }) => place)).toEqual([])
  })

  test('names every object, so that none is described twice', async () => {
    const { schemas, operations } = await readDocument()
    const members = Object.entries(schemas).flatMap(([name, schema]) => membersOf(schema, name))
    const unnamed = members.filter(({ member }) => member.properties ?? member.items?.properties)
    expect(unnamed.map(({ place }) => place)).toEqual([])
    for (const { name, operation } of operations) {
      for (const { content = {} } of Object.values(operation.responses)) {
        for (const { schema } of Object.values(content)) expect(schema.properties, name).toBeUndefined()
      }
    }
  })

  test('tells of the answer to a wrong method, and to a body that is too large', async () => {
    const { api, operations } = await readDocument()
    for (const { name, path, operation } of operations) {
      const url = path.replaceAll(/\{\w+\}/g, 'x')
      const wrong = await api.app.inject({ method: 'PATCH', url })
      expect([wrong.statusCode, typeof wrong.headers.allow], name).toEqual([405, 'string'])
      expect(operation.responses[405]?.headers?.allow, name).toBeDefined()
      const method =
        (['POST', 'PUT', 'DELETE'] as const).find((one) => name.startsWith(one.toLowerCase())) ?? 'GET'
      const large = await api.app.inject({ method, url, body: 'x'.repeat(65_537) })
      expect(413 in operation.responses, name).toBe(large.statusCode === 413)
    }
  })
})
