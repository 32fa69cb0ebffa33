import type { Pool } from 'undici'

/** Calls of CloudDC over kept connections, so many creations at once, the others waiting in order. */
export function createCalls({ http, atOnce }: { http: Pool; atOnce: number }) {
  const waiting: (() => void)[] = []
  let waited = 0
  let active = 0

  const post = async (projectId: string, spec: object): Promise<string> => {
    const { body } = await http.request({
      method: 'POST',
      path: `/v1/${projectId}/instances/batch-create`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(spec),
    })
    const { instances } = (await body.json()) as { instances: { id: string }[] }
    return instances[0]?.id ?? ''
  }

  return {
    create: async (projectId: string, spec: object): Promise<string> => {
      if (active >= atOnce) await new Promise<void>((resolve) => waiting.push(resolve))
      else active += 1
      try {
        return await post(projectId, spec)
      } finally {
        // The slot goes to the next in line as it is.
        const next = waiting[waited]
        if (next === undefined) active -= 1
        else {
          waited += 1
          next()
        }
      }
    },
    list: async (projectId: string, ids: readonly string[]): Promise<Map<string, string>> => {
      const { body } = await http.request({
        method: 'GET',
        path: `/v1/${projectId}/instances?limit=1000&instance_id=${ids.join('%2C')}`,
      })
      const { instances } = (await body.json()) as { instances: { id: string; state: string }[] }
      return new Map(instances.map(({ id, state }) => [id, state]))
    },
  }
}
