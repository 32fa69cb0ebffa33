import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { generateSource } from 'oazapfts'
import { expect, test } from 'vitest'
import { createOneRequestReads, setUpApi } from '../support/api-world.ts'
import { createProgramFolder } from '../support/program-folder.ts'

/** What somebody writes against a client that was generated from schemas/openapi.json. */
const PROGRAM = `
import { cancelProvisionRequest, defaults, getProvisionRequest, listProvisionRequests } from './client.ts'
import type { Problem, RequestStatus } from './client.ts'

defaults.baseUrl = process.argv[2] ?? ''

const found = await getProvisionRequest('p', 'order-1', { wait: '10ms', since: 'running' })
if (found.status === 304) throw new Error('304 to no If-None-Match')
if (found.status !== 200) throw new Error(found.data.code)
const status: RequestStatus = found.data
const waits: string | undefined = status.waiting?.reason
// @ts-expect-error: no such member
status.stat

// @ts-expect-error: no number
await listProvisionRequests('p', { limit: 'many' })

const unknown = await getProvisionRequest('p', 'order-2')
const problem: Problem | undefined = unknown.status === 404 ? unknown.data : undefined

const cancelled = await cancelProvisionRequest('p', 'order-1')
console.log(JSON.stringify([status.state, waits, status.counts.max, problem?.code, cancelled.status]))
`

test('a client generated from the OpenAPI document compiles, and works', async () => {
  const { reads } = createOneRequestReads()
  const { api } = setUpApi({
    status: async (key) => (key.requestId === 'order-1' ? reads.status(key) : null),
  })
  await api.start()
  const folder = await createProgramFolder()
  await folder.write('client.ts', await generateSource('schemas/openapi.json'))
  await folder.write('program.ts', PROGRAM)
  await folder.compile()
  const { stdout } = await promisify(execFile)('node', [`${folder.path}/program.ts`, api.url()])
  expect(JSON.parse(stdout)).toEqual(['queued', null, 1, 'not_found', 202])
})
