import type { BodyFormat } from './content-type.ts'
import type { Findings } from './fault.ts'
import { PROJECT_ID, REQUEST_ID } from './request-schema.ts'
import { isPlainObject } from './spec.ts'

/** The ids of a message that may not be valid, where it has them in good form and beyond doubt. */
export interface FoundIds {
  projectId?: string
  requestId?: string
}

/** The request id's value, of any type, and where it stands; an absent one has the path of the last resort. */
export function findRequestId(
  value: Record<string, unknown>,
  format: BodyFormat,
  messageId: string | undefined,
): { value: unknown; path: 'request_id' | 'id' | 'message_id' } {
  const own = dataOf(value, format)?.request_id
  if (own !== undefined && own !== null) return { value: own, path: 'request_id' }
  if (format === 'cloudevents') return { value: value.id, path: 'id' }
  return { value: messageId === '' ? undefined : messageId, path: 'message_id' }
}

/**
 * The ids of a faulty message.
 *
 * @param ambiguous what was found in a text that two readers may understand differently, or null
 */
export function findIds(
  value: unknown,
  format: BodyFormat,
  messageId: string | undefined,
  ambiguous: Findings | null,
): FoundIds {
  if (!isPlainObject(value)) return {}
  const data = dataOf(value, format)
  if (data === undefined) return {}
  const doubtful = ambiguous === null ? () => false : doubtsOf(ambiguous)
  const requestId = findRequestId(value, format, messageId).value
  const ids: FoundIds = {}
  if (typeof data.project_id === 'string' && PROJECT_ID.test(data.project_id) && !doubtful('project_id')) {
    ids.projectId = data.project_id
  }
  if (typeof requestId === 'string' && REQUEST_ID.test(requestId) && !doubtful('request_id', 'id')) {
    ids.requestId = requestId
  }
  return ids
}

/** Whether a member of one of these names, or what it stands in, may have another value to another reader. */
function doubtsOf({ told, total }: Findings): (...names: string[]) => boolean {
  if (total() > told.length) return () => true
  const ends = told.map(({ path }) => path.at(-1))
  const names = new Set(ends.map((end) => (typeof end === 'object' ? end.name : end)))
  return (...wanted) => names.has('data') || wanted.some((name) => names.has(name))
}

function dataOf(value: Record<string, unknown>, format: BodyFormat): Record<string, unknown> | undefined {
  const data = format === 'cloudevents' ? value.data : value
  return isPlainObject(data) ? data : undefined
}
