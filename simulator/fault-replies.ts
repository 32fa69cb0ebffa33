import type { FaultPlan } from './faults.ts'
import { describeLimit } from './limiter.ts'
import type { Settings, ThrottleForm } from './options.ts'
import { gatewayRefusal, jsonType, type Reply, refusal } from './reply.ts'

/** 429 in each of the forms that were documented or seen. `retryAfterMs` is used only when headers are on. */
export function throttled(
  settings: Settings,
  requestId: string,
  { form = settings.throttleForm, retryAfterMs = 1000 }: { form?: ThrottleForm; retryAfterMs?: number },
): Reply {
  const body = throttleBody(form, settings, requestId)
  if (!settings.retryAfter) return body
  return { ...body, headers: { 'Retry-After': String(Math.max(1, Math.ceil(retryAfterMs / 1000))) } }
}

function throttleBody(form: ThrottleForm, settings: Settings, requestId: string): Reply {
  const text = 'The request is overloaded.'
  const plain = { status: 429, contentType: 'text/plain;charset=UTF-8', headers: {}, errorCode: null }
  switch (form) {
    case 'json': {
      const limit = describeLimit(settings)
      const message = `The throttling threshold has been reached: policy user over ratelimit,${limit}`
      return gatewayRefusal(429, 'APIGW.0308', message, requestId)
    }
    case 'imetal':
      return refusal(429, 'iMetal.0005', 'Too many requests')
    case 'string':
      return { ...plain, contentType: jsonType, body: JSON.stringify(text) }
    case 'plain':
      return { ...plain, body: text }
    case 'empty':
      return { ...plain, contentType: '', body: '' }
  }
}

/** The answer of a fault: what its script says, else what service or gateway would say with that status. */
export function faultReply(settings: Settings, plan: FaultPlan, requestId: string): Reply {
  const status = plan.status ?? (plan.kind === 'throttle' ? 429 : 500)
  const usual =
    status === 429
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

/** What a load balancer in front of the gateway sends. */
function html(status: number, title: string): Reply {
  const body = `<html><head><title>${status} ${title}</title></head><body><h1>${status} ${title}</h1></body></html>`
  return { status, body, contentType: 'text/html', headers: {}, errorCode: null }
}
