import { globSync, readFileSync } from 'node:fs'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { expect } from 'vitest'
import { EXCEPTIONS } from '../../dev/schemas/exceptions.ts'
import { REQUEST_CLOUD_EVENT_ID, REQUEST_MESSAGE_ID } from '../../dev/schemas/request-schemas.ts'
import type { Fault } from '../../src/contracts/fault.ts'

/** Judges messages and events by the published schemas alone, as their users would. */

const FILES = globSync('**/*.json', { cwd: 'schemas' })
  .filter((file) => file !== 'asyncapi.json' && file !== 'openapi.json')
  .toSorted()

/** The JSON Schemas in schemas/, by their files. */
export const publishedSchemas: ReadonlyMap<string, PublishedSchema> = new Map(
  FILES.map((file) => [file, JSON.parse(readFileSync(`schemas/${file}`, 'utf8')) as PublishedSchema]),
)

export interface PublishedSchema {
  $id: string
  description?: string
  examples?: unknown[]
  $defs?: Record<string, PublishedSchema>
  properties?: Record<string, PublishedSchema>
}

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, strictRequired: false })
addFormats.default(ajv)
for (const schema of publishedSchemas.values()) ajv.addSchema(schema)

/** The validator of a schema, or of one inside it: `urn:provisioner:event:1#/$defs/Fault`. */
export function validatorOf(id: string): ValidateFunction {
  const validate = ajv.getSchema(id)
  if (validate === undefined) throw new Error(`there is no schema ${id}`)
  return validate as ValidateFunction
}

/** Fails unless the schema takes what the service takes, and refuses what it refuses, but for the exceptions. */
export function expectAgreement(
  message: unknown,
  { isCloudEvent, faults }: { isCloudEvent: boolean; faults: readonly Fault[] },
): void {
  const validate = validatorOf(isCloudEvent ? REQUEST_CLOUD_EVENT_ID : REQUEST_MESSAGE_ID)
  // What undefined members are to JSON.
  const sent: unknown = JSON.parse(JSON.stringify(message))
  const isValid = validate(sent)
  const said = JSON.stringify({ sent, faults, schema: validate.errors })
  if (faults.length === 0)
    expect(isValid || isStricter(sent), `the schema refuses what is taken: ${said}`).toBe(true)
  else if (isValid) expect(faults.every(isExcepted), `the schema takes what is refused: ${said}`).toBe(true)
}

function isExcepted(fault: Fault): boolean {
  return EXCEPTIONS.some((exception) => exception.covers(fault))
}

/** What stands under STRICTER. */
function isStricter(sent: unknown): boolean {
  const { data, spec = data?.spec } = sent as { data?: { spec?: Spec }; spec?: Spec }
  const counts = [spec?.min_count, spec?.max_count]
  const hasFraction = counts.some((count) => typeof count === 'number' && !Number.isInteger(count))
  return (Boolean(spec?.placement) && hasFraction) || /[\u{10000}-\u{10ffff}]/u.test(String(spec?.name))
}

interface Spec {
  name?: unknown
  placement?: unknown
  min_count?: unknown
  max_count?: unknown
}
