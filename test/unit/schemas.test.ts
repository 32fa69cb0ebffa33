import { globSync, readFileSync } from 'node:fs'
import SwaggerParser from '@apidevtools/swagger-parser'
import asyncapi from '@asyncapi/specs/schemas/3.0.0-without-$id.json' with { type: 'json' }
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { renderDocuments } from '../../dev/schemas/documents.ts'
import { EXCEPTIONS, STRICTER } from '../../dev/schemas/exceptions.ts'
import { REQUEST_MESSAGE_ID } from '../../dev/schemas/request-schemas.ts'
import { type Json, memberMutations } from '../support/mutations.ts'
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

describe('reader and schema agree, as parseMessage asserts', () => {
  const order = buildRequest({
    priority: 1,
    deadline: '2026-11-23T12:00:00Z',
    spec: { metadata: { team: 'blue' }, placement: { server_id_set: ['s'] }, min_count: 1, max_count: 2 },
  })
  const judge = (message: unknown, contentType?: string) => {
    const isSealed = JSON.stringify(message)?.includes('password_jwe')
    if (!isSealed) parseMessage(message, contentType === undefined ? {} : { contentType })
  }

  test('on an order of which one member has another name or value', () => {
    for (const text of memberMutations(order as Json, CANARY)) judge(JSON.parse(text))
  })

  test('on a CloudEvent of which one member has another name or value', () => {
    const event = {
      specversion: '1.0',
      id: 'event-1',
      source: '/shop',
      type: 'order.placed',
      time: '2026-11-23T12:00:00Z',
      datacontenttype: 'application/json',
      data: order,
    }
    for (const text of memberMutations(event as Json, CANARY))
      judge(JSON.parse(text), 'application/cloudevents+json')
  })

  test('on any value of any member', () => {
    const edge = fc.constantFrom(
      '',
      ' ',
      'a/b',
      '\n',
      '0',
      'web\n',
      '服',
      'x'.repeat(64),
      'x'.repeat(256),
      -1,
      0,
      101,
      1.5,
    )
    const value = fc.oneof(edge, fc.jsonValue({ maxDepth: 2 }), fc.string({ unit: 'binary', maxLength: 300 }))
    const name = fc.constantFrom(...Object.keys(order.spec))
    const own = fc.constantFrom('request_id', 'project_id', 'priority', 'deadline', 'spec', 'other')
    fc.assert(fc.property(name, value, (member, given) => judge(buildRequest({ spec: { [member]: given } }))))
    fc.assert(fc.property(own, value, (member, given) => judge({ ...buildRequest(), [member]: given })))
    fc.assert(
      fc.property(value, value, (min, max) =>
        judge(buildRequest({ spec: { min_count: min, max_count: max } })),
      ),
    )
  })

  test('on any password', () => {
    const kind = fc.constantFrom(
      ...'AZaz09!@$%^-_=+[{}]:,./?#&~é服',
      'root',
      'toor',
      'Administrator',
      '\u{1f600}',
    )
    const text = fc.array(kind, { minLength: 5, maxLength: 28 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(text, (password) => judge(buildRequest({ spec: { password } }))),
      { numRuns: 1000 },
    )
  })

  test('on any deadline', () => {
    const two = fc.integer({ min: 0, max: 62 }).map((number) => String(number).padStart(2, '0'))
    const sign = fc.constantFrom('T', 't', ' ', ':', '-', '+', 'Z', 'z', '.5', '', '.123456789', 'a')
    const date = fc.tuple(fc.integer({ min: 0, max: 9999 }), two, two)
    const time = fc.tuple(sign, two, two, two, sign, sign, two, sign, two)
    const sound = fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-12-31') })
    const text = fc.oneof(
      fc
        .tuple(date, time)
        .map(
          ([[year, month, day], rest]) => `${String(year).padStart(4, '0')}-${month}-${day}${rest.join('')}`,
        ),
      fc.tuple(sound, time).map(([at, rest]) => `${at.toISOString().slice(0, 10)}${rest.join('')}`),
      fc
        .tuple(sound, fc.constantFrom('Z', 'z', '+23:59', '+24:00', '-00:00', '+0100', ''))
        .map(([at, zone]) => `${at.toISOString().slice(0, -1)}${zone}`),
      fc
        .tuple(date, fc.constantFrom('23:59:60Z', '12:00:60Z', '00:59:60+01:00', '24:00:00Z'))
        .map(([[year, month, day], end]) => `${String(year).padStart(4, '0')}-${month}-${day}T${end}`),
    )
    fc.assert(
      fc.property(text, (deadline) => judge(buildRequest({ deadline }))),
      { numRuns: 3000 },
    )
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
