import { type RequestRow, type RequestStatus, TERMINAL_STATES } from './evidence.ts'

/** Ended requests that are asked for one by one, spread over the run; those that have not ended are all asked for. */
const SAMPLE = 200
const SIDE_BY_SIDE = 8

export interface HttpEvidence {
  statuses: RequestStatus[]
  texts: { source: string; text: string }[]
}

/** Asks the replicas what any client may ask: states, histories, listings, metrics, documents, and unknown things. */
export async function readHttp(
  { apiUrls: urls, apiKey }: { apiUrls: readonly string[]; apiKey: string | null },
  requests: readonly RequestRow[],
): Promise<HttpEvidence> {
  const texts: { source: string; text: string }[] = []
  const statuses: RequestStatus[] = []
  const headers: Record<string, string> = apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }
  const get = async (base: string, path: string) => {
    const response = await fetch(`${base}${path}`, { headers, signal: AbortSignal.timeout(30_000) })
    const text = await response.text()
    texts.push({ source: `GET ${path}`, text: `${text}\n${JSON.stringify([...response.headers])}` })
    return { status: response.status, text }
  }
  const ask = async (row: RequestRow, base: string) => {
    const path = pathOf(row)
    const { status, text } = await get(base, path)
    statuses.push({ projectId: row.projectId, requestId: row.requestId, ...statusIn(status, text) })
    await get(base, `${path}/history`)
  }

  for (const base of urls) {
    for (const path of ['/metrics', '/readyz', '/healthz', '/openapi.json']) await get(base, path)
    await get(base, '/v1/nobody/provision-requests/nothing')
    await get(base, '/v1/nobody/provision-requests?limit=0')
  }
  const [base] = urls
  if (base === undefined) return { statuses, texts }
  for (const project of new Set(requests.map(({ projectId }) => projectId))) {
    await get(base, `/v1/${encodeURIComponent(project)}/provision-requests?limit=200`)
  }
  const asked = sample(requests)
  const workers = Array.from({ length: SIDE_BY_SIDE }, async (_, worker) => {
    for (let index = worker; index < asked.length; index += SIDE_BY_SIDE) {
      const row = asked[index]
      if (row !== undefined) await ask(row, urls[index % urls.length] ?? base)
    }
  })
  await Promise.all(workers)
  return { statuses, texts }
}

function sample(requests: readonly RequestRow[]): RequestRow[] {
  const step = Math.max(1, Math.ceil(requests.length / SAMPLE))
  return requests.filter((row, index) => index % step === 0 || !TERMINAL_STATES.includes(row.state))
}

function pathOf({ projectId, requestId }: RequestRow): string {
  return `/v1/${encodeURIComponent(projectId)}/provision-requests/${encodeURIComponent(requestId)}`
}

function statusIn(
  httpStatus: number,
  text: string,
): Pick<RequestStatus, 'state' | 'counts' | 'waiting' | 'instances'> {
  const unreadable = { state: `HTTP ${httpStatus}`, counts: null, waiting: null, instances: 0 }
  if (httpStatus !== 200) return unreadable
  try {
    const { state, counts, waiting, instances } = JSON.parse(text)
    return {
      state,
      counts,
      waiting:
        waiting === null
          ? null
          : { reason: waiting.reason, until: waiting.until === null ? null : new Date(waiting.until) },
      instances: instances.length,
    }
  } catch {
    return unreadable
  }
}
