import { z } from 'zod'
import { REQUEST_STATES } from '../request/provision-request.ts'

/** What several replies of the HTTP API hold. Serialised, every date is RFC 3339 UTC with milliseconds. */

/** A member's meaning and an example of its value, as the OpenAPI document shows them. */
export const told = (description: string, example: unknown) => ({ description, examples: [example] })

const TIME = '2026-11-23T12:00:01.250Z'

export const time = (description: string) => z.date().meta(told(description, TIME))

export const timeOrNull = (description: string) => z.date().nullable().meta(told(description, TIME))

export const text = (description: string, example: string) => z.string().meta(told(description, example))

export const textOrNull = (description: string, example: string) =>
  z.string().nullable().meta(told(description, example))

export const count = (description: string, example: number) => z.int().min(0).meta(told(description, example))

export const projectId = text('The CloudDC project', 'project-1')
export const requestId = text("The sender's id of the request, unique within its project", 'order-7f3c')

export const requestStateSchema = z.enum(REQUEST_STATES).meta({
  id: 'RequestState',
  description: 'State of a request; running, partially_running, failed, expired and cancelled are final',
  examples: ['provisioning'],
})

export const failureSchema = z
  .object({
    code: text("CloudDC's error code, or one of this service", 'provision_timeout'),
    message: text('The reason in words', 'the instance was not running 3600000 ms after its creation'),
  })
  .meta({ id: 'Failure', description: 'Why something ended other than ordered' })
