import { setTimeout as sleep } from 'node:timers/promises'
import type { Run } from '../contracts/operations.ts'
import type { Wire } from '../contracts/wire.ts'
import type { Change } from './api.ts'
import { make } from './change.ts'
import { CommandError, passes } from './command-error.ts'
import type { Context } from './verb.ts'

export type RunReply = Wire<Run>

const LOOK_MS = 500

export const runPath = (id: string) => `/operations/runs/${encodeURIComponent(id)}`

/** How far a run has come, in one line. */
export function progressOf({ kind, state, done, passed_over, per_second, error }: RunReply): string {
  const passed = kind === 'events' ? '' : `, ${passed_over} passed over`
  return `${state}, ${done} sent${passed}, ${per_second} per second${error === null ? '' : `: ${error}`}`
}

/** Begins a run, and follows it to its end unless it is only to begin; with `dryRun` only what would be asked. */
export async function beginRun(
  context: Pick<Context, 'api' | 'terminal' | 'json'>,
  change: Change,
  { dryRun, noWait }: { dryRun: boolean; noWait: boolean },
): Promise<void> {
  const tell = ({ id }: RunReply) => `run ${id} has been stored`
  const begun = await make<RunReply>(context, change, { dryRun, tell })
  if (begun === undefined || noWait) return
  const run = await followRun(context, begun.id)
  context.terminal.line(context.json ? JSON.stringify(run) : progressOf(run))
}

/** Resolves when the run is over; throws a CommandError when it has failed. It goes on when nobody follows it. */
export async function followRun(
  { api, terminal }: Pick<Context, 'api' | 'terminal'>,
  id: string,
): Promise<RunReply> {
  for (;;) {
    try {
      const run = await api.read<RunReply>(runPath(id))
      if (run.state === 'done') return run
      if (run.state === 'failed')
        throw new CommandError('failed', 'run_failed', `run ${id} has failed after ${run.done}: ${run.error}`)
      terminal.progress(`run ${id}: ${progressOf(run)}; Ctrl-C ends this view, not the run`)
    } catch (error) {
      if (!passes(error)) throw error
      terminal.progress(`run ${id}: ${error.message}; trying again`)
    }
    await sleep(LOOK_MS)
  }
}
