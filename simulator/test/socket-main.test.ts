import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import { goodBody } from './caller.ts'

type Run = { process: ChildProcess; out: string; err: string }

/** `node simulator/main.ts` with the given knobs. */
function start(env: Record<string, string>): Run {
  const { PATH, NODE_COMPILE_CACHE } = process.env
  const child = spawn(process.execPath, ['simulator/main.ts'], {
    env: { PATH, NODE_COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const run: Run = { process: child, out: '', err: '' }
  child.stdout.on('data', (chunk) => {
    run.out += chunk
  })
  child.stderr.on('data', (chunk) => {
    run.err += chunk
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return run
}

const listening = async (run: Run): Promise<{ url: string; admin_url: string }> => {
  while (!run.out.includes('\n')) await once(run.process.stdout ?? run.process, 'data')
  return JSON.parse(run.out)
}

describe('node simulator/main.ts', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('serves on free ports and ends at once on %s', async (signal) => {
    const run = start({ SIM_PORT: '0', SIM_SERVERS_PER_PROJECT: '1' })
    const { url, admin_url } = await listening(run)
    const path = `${url}/v1/p/instances/batch-create`
    const create = () => fetch(path, { method: 'POST', body: JSON.stringify(goodBody) })
    expect((await create()).status).toBe(202)
    expect((await create()).status).toBe(400)
    expect((await fetch(`${admin_url}/admin/health`)).status).toBe(200)
    const exit = once(run.process, 'exit')
    run.process.kill(signal)
    expect(await exit).toEqual([0, null])
    expect(run.out.trim().split('\n')).toHaveLength(1)
    expect(run.err).toBe('')
  })

  it('warns of a variable that is no knob', async () => {
    const run = start({ SIM_PORT: '0', SIM_BOOT_MS: '1' })
    await listening(run)
    await expect.poll(() => run.err).toContain('SIM_BOOT_MS')
  })

  it('stops with 78 and a reason when a knob is wrong', async () => {
    const run = start({ SIM_PORT: 'x' })
    expect(await once(run.process, 'close')).toEqual([78, null])
    expect(run.err).toContain('port')
  })
})
