import { hash } from 'node:crypto'
import { hashedUuid } from '../runtime/uuid.ts'

/** Headers of the service that every dead letter has. */
export const REJECTION_CODE = 'x-rejection-code'
export const REJECTED_AT = 'x-rejected-at'
export const REJECTION_DETAIL = 'x-rejection-detail'
export const REJECTION_ALTERED = 'x-rejection-altered'
export const REJECTION_HEADERS: ReadonlySet<string> = new Set([
  REJECTION_CODE,
  REJECTION_DETAIL,
  REJECTED_AT,
  REJECTION_ALTERED,
])

/** A dead letter as it goes out, or as it comes from its queue. */
interface Letter {
  body: Buffer | string
  properties: {
    headers?: Readonly<Record<string, unknown>> | undefined
    messageId?: string | undefined
    correlationId?: string | undefined
  }
}

/** The id of a dead letter in the index, made of what it carries: copies of a letter have the same. */
export function letterId({ body, properties }: Letter): string {
  const { headers = {}, messageId = null, correlationId = null } = properties
  const named = [headers[REJECTION_CODE], headers[REJECTED_AT], messageId, correlationId]
  return hashedUuid(`${hash('sha256', body, 'hex')}${JSON.stringify(named)}`)
}
