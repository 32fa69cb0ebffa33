import { globSync, readFileSync } from 'node:fs'
import SwaggerParser from '@apidevtools/swagger-parser'
import asyncapi from '@asyncapi/specs/schemas/3.0.0-without-$id.json' with { type: 'json' }
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { describe, expect, test } from 'vitest'
import { renderDocuments } from '../../dev/schemas/documents.ts'
import { EXCEPTIONS, STRICTER } from '../../dev/schemas/exceptions.ts'
import { REQUEST_MESSAGE_ID } from '../../dev/schemas/request-schemas.ts'
import { buildRequest, CANARY, parseMessage } from '../support/request-builder.ts'
import { type PublishedSchema, publishedSchemas, validatorOf } from '../support/schema-judge.ts'

/**
 * The files of schemas/ and the code say the same. Every message that a unit test reads is judged by both besides
 * (support/request-builder.ts), and every event of a flow test (support/seen-event.ts).
 */

test('the files are what the code writes', async () => {
  const documents = await renderDocuments()
  const files = globSync('**/*.json', { cwd: 'schemas' })
  expect(files.toSorted()).toEqual([...documents.keys()].toSorted())
  const stale = files.filter((file) => documents.get(file) !== readFileSync(`schemas/${file}`, 'utf8'))
  expect(stale, 'npm run schemas').toEqual([])
})

describe.each([...publishedSchemas])('%s', (file, schema) => {
  test('is a JSON Schema, and no other has its id', () => {
    expect(validatorOf(schema.$id)).toBeTypeOf('function')
    const alike = [...publishedSchemas].filter(([, { $id }]) => $id === schema.$id)
    expect(alike.map(([path]) => path)).toEqual([file])
  })

  test('has a description and an example of each member, which fits', () => {
    const bare: string[] = []
    const check = ({ properties = {}, $defs = {} }: PublishedSchema, place: string) => {
      for (const [name, { description, examples, ...member }] of Object.entries(properties)) {
        const at = `${schema.$id}#${place}/properties/${name}`
        const isTold = description !== undefined && (examples !== undefined || 'items' in member)
        if (!(isTold || '$ref' in member || 'const' in member || 'anyOf' in member)) bare.push(at)
        for (const example of examples ?? []) expect(validatorOf(at)(example), at).toBe(true)
      }
      for (const [name, inner] of Object.entries($defs)) check(inner, `/$defs/${name}`)
    }
    check(schema, '')
    expect(bare).toEqual([])
  })
})

test('asyncapi.json is an AsyncAPI document', () => {
  const ajv = new Ajv({ strict: false })
  addFormats.default(ajv)
  const validate = ajv.compile(asyncapi)
  validate(JSON.parse(readFileSync('schemas/asyncapi.json', 'utf8')))
  expect(validate.errors).toBeNull()
})

test('openapi.json is an OpenAPI document', async () => {
  await expect(SwaggerParser.validate('schemas/openapi.json')).resolves.toBeDefined()
})

describe('what the schema of requests cannot say', () => {
  const BROKEN_RULES = [
    { spec: { min_count: 3, max_count: 2 } },
    { spec: { description: CANARY } },
    { spec: { password: null, password_jwe: 'e30.a.b.c.d' } },
    { request_id: undefined },
    { spec: { description: '\u0000' } },
  ]

  test('is refused by the service, each rule for itself', () => {
    expect(BROKEN_RULES.length).toBe(EXCEPTIONS.length)
    for (const [index, { rule, covers }] of EXCEPTIONS.entries()) {
      const message = buildRequest(BROKEN_RULES[index])
      const result = parseMessage(message)
      expect(result.ok, rule).toBe(false)
      if (!result.ok) expect(result.detail.every(covers), rule).toBe(true)
      expect(validatorOf(REQUEST_MESSAGE_ID)(JSON.parse(JSON.stringify(message))), rule).toBe(true)
    }
  })

  test('stands in the schema, for people', () => {
    const { $comment } = JSON.parse(readFileSync('schemas/request-message.json', 'utf8'))
    for (const rule of [...EXCEPTIONS.map((exception) => exception.rule), ...STRICTER])
      expect($comment).toContain(rule)
  })
})

describe('the passwords of an order', () => {
  const JWE = 'e30.a.b.c.d'
  test.each<[Record<string, unknown>, boolean]>([
    [{ password: CANARY }, true],
    [{ password: CANARY, password_jwe: null }, true],
    [{ password: null, password_jwe: JWE }, true],
    [{ password: undefined, password_jwe: JWE }, true],
    [{ password: CANARY, password_jwe: JWE }, false],
    [{ password: null, password_jwe: null }, false],
    [{ password: undefined }, false],
    [{ password: null, password_jwe: 'e30.a.b.c' }, false],
    [{ password: null, password_jwe: `${JWE}${'d'.repeat(2048)}` }, false],
    [{ password: null, password_jwe: 1 }, false],
  ])('%j', (spec, isTaken) => {
    const message: unknown = JSON.parse(JSON.stringify(buildRequest({ spec })))
    expect(validatorOf(REQUEST_MESSAGE_ID)(message)).toBe(isTaken)
    if (!isTaken) expect(parseMessage(message).ok).toBe(false)
  })
})
