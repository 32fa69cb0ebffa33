import { expect } from 'vitest'
import type { Run } from '../../src/contracts/operations.ts'
import { eventually } from './eventually.ts'

/** POSTs a body as an operator would. */
export async function post(
  url: string,
  path: string,
  body: object,
): Promise<{ status: number; body: Record<string, unknown> & { id: string } }> {
  const reply = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: reply.status, body: (await reply.json()) as Record<string, unknown> & { id: string } }
}

export async function readRun(url: string, id: string): Promise<Run> {
  const reply = await fetch(`${url}/operations/runs/${id}`)
  expect(reply.status).toBe(200)
  return (await reply.json()) as Run
}

/** The run once it is over. */
export const endedRun = (url: string, id: string) =>
  eventually(async () => {
    const run = await readRun(url, id)
    expect(['done', 'failed'], JSON.stringify(run)).toContain(run.state)
    return run
  })
