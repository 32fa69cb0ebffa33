import { STATUS_CODES } from 'node:http'
import type { FaultPlan } from './faults.ts'
import { describeLimit } from './limiter.ts'
import type { Settings, ThrottleForm } from './options.ts'
import { gatewayRefusal, iamError, jsonType, plain, type Reply, refusal } from './reply.ts'
import type { Service } from './routes.ts'

/** 429 in each of the forms that were documented or seen. `retryAfterMs` is used only when headers are on. */
export function throttled(
  settings: Settings,
  requestId: string,
  {
    form = settings.throttleForm,
    retryAfterMs = 1000,
    of = 'project',
  }: { form?: ThrottleForm; retryAfterMs?: number; of?: 'project' | 'user' },
): Reply {
  const body = throttleBody(form, settings, requestId, of)
  if (!settings.retryAfter) return body
  return { ...body, headers: { 'Retry-After': String(Math.max(1, Math.ceil(retryAfterMs / 1000))) } }
}

function throttleBody(
  form: ThrottleForm,
  settings: Settings,
  requestId: string,
  of: 'project' | 'user',
): Reply {
  const text = 'The request is overloaded.'
  switch (form) {
    case 'json': {
      const limit = describeLimit(settings, of)
      const message = `The throttling threshold has been reached: policy user over ratelimit,${limit}`
      return gatewayRefusal(429, 'APIGW.0308', message, requestId)
    }
    case 'imetal':
      return refusal(429, 'iMetal.0005', 'Too many requests')
    case 'string':
      return { ...plain(429, JSON.stringify(text)), contentType: jsonType }
    case 'plain':
      return plain(429, text)
    case 'empty':
      return { ...plain(429, ''), contentType: '' }
  }
}

/** The answer of a fault: what its script says, else what service or gateway would say with that status. */
export function faultReply(
  settings: Settings,
  plan: FaultPlan,
  { requestId, service }: { requestId: string; service: Service },
): Reply {
  const status = plan.status ?? (plan.kind === 'throttle' ? 429 : 500)
  const usual =
    service !== 'clouddc'
      ? outage(status, service)
      : status === 429
        ? throttled(settings, requestId, plan.form === undefined ? {} : { form: plan.form })
        : failure(status, requestId, plan.kind === 'error_after')
  const retry = plan.retry_after === undefined ? {} : { 'Retry-After': String(plan.retry_after) }
  const headers = { ...usual.headers, ...retry, ...plan.headers }
  if (plan.body === undefined) return { ...usual, headers }
  const text = typeof plan.body === 'string'
  return {
    status,
    body: text ? String(plan.body) : JSON.stringify(plan.body),
    contentType: plan.content_type ?? (text ? 'text/plain;charset=UTF-8' : jsonType),
    headers,
    errorCode: null,
  }
}

/** After the work nobody can say that it was never forwarded, which is what the gateway's 503 says. */
function failure(status: number, requestId: string, afterWork: boolean): Reply {
  if (status === 502) return html(status, 'Bad Gateway')
  if (status === 503 && afterWork) return html(status, 'Service Unavailable')
  if (status === 503) return gatewayRefusal(status, 'APIGW.0613', 'IAM is unavailable', requestId)
  if (status === 504) return gatewayRefusal(status, 'APIGW.0201', 'Backend timeout', requestId)
  return refusal(status, 'iMetal.0099', 'Internal server error')
}

/** IAM, or the metadata service, in trouble. */
function outage(status: number, service: 'iam' | 'metadata'): Reply {
  const words = STATUS_CODES[status] ?? 'Error'
  if (service === 'metadata') return plain(status, words)
  if (status === 502) return html(status, 'Bad Gateway')
  return iamError(status, status === 429 ? 'The throttling threshold has been reached.' : words)
}

/** What a load balancer in front of the gateway sends. */
function html(status: number, title: string): Reply {
  const body = `<html><head><title>${status} ${title}</title></head><body><h1>${status} ${title}</h1></body></html>`
  return { status, body, contentType: 'text/html', headers: {}, errorCode: null }
}
