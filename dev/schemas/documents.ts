import { asyncapiDocument } from './asyncapi.ts'
import { eventFiles } from './event-schemas.ts'
import { toDocument } from './json-schema.ts'
import { openapiDocument } from './openapi.ts'
import {
  REQUEST_CLOUD_EVENT_ID,
  REQUEST_MESSAGE_ID,
  requestCloudEvent,
  requestMessage,
} from './request-schemas.ts'

/** Every generated file of schemas/: its text, by its path in there. The same code gives the same bytes. */
export async function renderDocuments(): Promise<Map<string, string>> {
  const documents: [path: string, document: unknown][] = [
    ['request-message.json', toDocument(REQUEST_MESSAGE_ID, requestMessage())],
    ['request-cloud-event.json', toDocument(REQUEST_CLOUD_EVENT_ID, requestCloudEvent())],
    ...eventFiles(),
    ['asyncapi.json', asyncapiDocument()],
    ['openapi.json', await openapiDocument()],
  ]
  return new Map(documents.map(([path, document]) => [path, `${JSON.stringify(document, null, 2)}\n`]))
}
