import type { BodyFormat } from './content-type.ts'
import { isPlainObject } from './plain-object.ts'
import { PROJECT_ID, REQUEST_ID } from './request-schema.ts'

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
 * @param repeated the paths of the members that two readers may understand differently, for being written twice
 */
export function findIds(
  value: unknown,
  format: BodyFormat,
  messageId: string | undefined,
  repeated: readonly (readonly string[])[],
): FoundIds {
  if (!isPlainObject(value)) return {}
  const data = dataOf(value, format)
  if (data === undefined) return {}
  const isRepeated = (...path: string[]) =>
    repeated.some((other) => other.length === path.length && other.every((name, at) => name === path[at]))
  const above = format === 'cloudevents' ? ['data'] : []
  if (above.length > 0 && isRepeated(...above)) return {}
  const { value: requestId, path } = findRequestId(value, format, messageId)
  const ids: FoundIds = {}
  if (
    typeof data.project_id === 'string' &&
    PROJECT_ID.test(data.project_id) &&
    !isRepeated(...above, 'project_id')
  ) {
    ids.projectId = data.project_id
  }
  const isDoubtful = isRepeated(...above, 'request_id') || (path === 'id' && isRepeated('id'))
  if (typeof requestId === 'string' && REQUEST_ID.test(requestId) && !isDoubtful) {
    ids.requestId = requestId
  }
  return ids
}

function dataOf(value: Record<string, unknown>, format: BodyFormat): Record<string, unknown> | undefined {
  const data = format === 'cloudevents' ? value.data : value
  return isPlainObject(data) ? data : undefined
}
