import { z } from 'zod'
import { isLongerThan } from './password.ts'
import { isPlainObject } from './plain-object.ts'
import { told } from './reply-members.ts'
import { ONE_PASSWORD, password, passwordJwe } from './spec-password.ts'

/**
 * The body of CloudDC's batch-create as this service takes it: the document's own rules, and three stricter ones.
 * Unknown members are rejected, an empty `placement` or `server_id_set` is rejected, and counts beside a placement
 * are accepted but not sent. Optional members may be null, which means absent. Lengths count code points.
 */

const MAX_TEXT_LENGTH = 255
export const MAX_METADATA_PAIRS = 10
const MAX_INTERFACES = 2
const MAX_SERVERS = 50
const MAX_COUNT = 100

const NAME = /^[A-Za-z0-9_.\p{Script=Han}-]{1,63}$/u
const METADATA_KEY = /^[A-Za-z0-9 _:.-]{1,255}$/

const identifier = z.string().min(1, 'must not be empty')
const idOf = (what: string, example: string) => identifier.meta(told(`CloudDC's id of ${what}`, example))

/** Not a zod record: that one drops the key __proto__, which CloudDC's rules allow, from checks and result. */
const metadata = z
  .custom<Record<string, string>>(isPlainObject, 'must be an object')
  .check(({ value, issues }) => {
    const reject = (path: string[], message: string) =>
      issues.push({ code: 'custom', path, message, input: undefined })
    const keys = Object.keys(value)
    const isTooLong = keys.length > MAX_METADATA_PAIRS
    if (isTooLong) reject([], `must have at most ${MAX_METADATA_PAIRS} pairs`)
    for (const key of isTooLong ? [] : keys) {
      if (!METADATA_KEY.test(key)) {
        reject([key], 'the key must have 1 to 255 of: letters, digits, space, - _ : .')
      }
      const text: unknown = value[key]
      if (typeof text !== 'string') reject([key], 'must be a string')
      else if (isLongerThan(text, MAX_TEXT_LENGTH))
        reject([key], `must have at most ${MAX_TEXT_LENGTH} characters`)
    }
  })
  .meta({
    ...told('Names and values that the servers carry in CloudDC', { team: 'blue' }),
    type: 'object',
    maxProperties: MAX_METADATA_PAIRS,
    propertyNames: { pattern: METADATA_KEY.source },
    additionalProperties: { type: 'string', maxLength: MAX_TEXT_LENGTH },
  })

const count = (description: string, example: number) =>
  z
    .number()
    .meta({ type: 'integer' })
    .nullish()
    .meta(
      told(`${description}. A whole number from 1 to ${MAX_COUNT}; of no effect beside a placement`, example),
    )

/** Of an array that is too long, no more elements are looked at than tell that it is. */
function bounded<List extends z.ZodArray>(most: number, list: List) {
  return z.preprocess(
    (value) => (Array.isArray(value) && value.length > most ? value.slice(0, most + 1) : value),
    list,
  )
}

const interfaceSchema = z
  .strictObject({ subnet_id: idOf('the subnet', 'f2b1d3f4-6c5d-4a43-8d0e-6a1d3b2c4e5f') })
  .meta({ title: 'NetworkInterface', description: 'An interface of each server' })

const placementSchema = z
  .strictObject({
    server_id_set: bounded(
      MAX_SERVERS,
      z
        .array(identifier, 'must be an array of server ids')
        .min(1, 'must name at least one server')
        .max(MAX_SERVERS, `must name at most ${MAX_SERVERS} servers`),
    ).meta(told("CloudDC's ids of the servers", ['a3d9a1de-4c6f-47c8-8d0b-fd1f0d1f7c21'])),
  })
  .meta({ title: 'Placement', description: 'Exactly these servers, all of them, instead of any' })

/** The rule of the counts, but for their order, which JSON Schema has no words for. */
const COUNTS_WITHOUT_PLACEMENT = {
  if: { properties: { placement: { type: 'null' } } },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: {
    properties: {
      min_count: { type: ['integer', 'null'], minimum: 1, maximum: MAX_COUNT },
      max_count: { type: ['integer', 'null'], minimum: 1, maximum: MAX_COUNT },
    },
  },
}

export const specSchema = z
  .strictObject({
    name: z
      .string()
      .regex(NAME, 'must have 1 to 63 of: letters, digits, Chinese characters, _ - .')
      .meta(told('Name of the servers; CloudDC numbers them', 'web')),
    image_id: idOf('the image to install', '7d3cbb2a-a3a4-4d29-94a5-1b26fb1b6b25'),
    vpc_id: idOf('the VPC', '8cf1b1fd-3b0f-4b9c-9f5e-2b8f7f0d3c11'),
    network_interfaces: bounded(
      MAX_INTERFACES,
      z
        .array(interfaceSchema)
        .min(1, 'must have at least one interface')
        .max(MAX_INTERFACES, `must have at most ${MAX_INTERFACES} interfaces`),
    ).meta({ description: 'The interfaces of each server' }),
    password: password.nullish(),
    password_jwe: passwordJwe.nullish(),
    metadata: metadata.nullish(),
    description: z
      .string()
      .refine(
        (text) => !isLongerThan(text, MAX_TEXT_LENGTH),
        `must have at most ${MAX_TEXT_LENGTH} characters`,
      )
      .meta({ maxLength: MAX_TEXT_LENGTH })
      .nullish()
      .meta(told('What the servers are for, in words', 'the shop, second stage')),
    placement: placementSchema.nullish(),
    min_count: count('Servers to order at the least; absent means 1', 1),
    max_count: count('Servers to order at the most, not below min_count; absent means min_count', 3),
  })
  .meta({
    title: 'Spec',
    description: "The body of CloudDC's batch-create, with its names and rules",
    ...COUNTS_WITHOUT_PLACEMENT,
    ...ONE_PASSWORD,
  })

/** The names of all members of a spec, but for those that metadata may have. */
export const SPEC_NAMES = [specSchema, interfaceSchema, placementSchema].flatMap(({ shape }) =>
  Object.keys(shape),
)

export type SpecInput = z.infer<typeof specSchema>

/**
 * What is ordered, without the password, every member in one form only: empty metadata and an empty description are
 * absent, counts are there exactly when there is no placement. A type and not an interface, so that it is a record
 * to those who only store it.
 */
export type ProvisionSpec = {
  name: string
  image_id: string
  vpc_id: string
  network_interfaces: { subnet_id: string }[]
  metadata?: Record<string, string>
  description?: string
  placement?: { server_id_set: string[] }
  min_count?: number
  max_count?: number
}

/** What is wrong with the counts of a spec, by member; `spec` may be anything. */
export function countFaults(spec: unknown): { path: string; message: string }[] {
  if (!isPlainObject(spec) || (spec.placement !== undefined && spec.placement !== null)) return []
  const faults: { path: string; message: string }[] = []
  for (const path of ['min_count', 'max_count']) {
    const value = spec[path]
    if (typeof value === 'number' && !(Number.isInteger(value) && value >= 1 && value <= MAX_COUNT)) {
      faults.push({ path, message: `must be a whole number from 1 to ${MAX_COUNT}` })
    }
  }
  const { min_count: min, max_count: max } = spec
  if (faults.length === 0 && typeof min === 'number' && typeof max === 'number' && min > max) {
    faults.push({ path: 'max_count', message: 'must not be below min_count' })
  }
  return faults
}

/** The spec in its one form, and the least and the greatest number of instances it asks for. */
export function normaliseSpec(input: SpecInput): { spec: ProvisionSpec; minCount: number; maxCount: number } {
  const spec: ProvisionSpec = {
    name: input.name,
    image_id: input.image_id,
    vpc_id: input.vpc_id,
    network_interfaces: input.network_interfaces,
  }
  if (input.metadata && Object.keys(input.metadata).length > 0) spec.metadata = input.metadata
  if (input.description) spec.description = input.description
  if (input.placement) {
    spec.placement = input.placement
    const servers = new Set(input.placement.server_id_set).size
    return { spec, minCount: servers, maxCount: servers }
  }
  const minCount = input.min_count ?? 1
  const maxCount = input.max_count ?? minCount
  spec.min_count = minCount
  spec.max_count = maxCount
  return { spec, minCount, maxCount }
}
