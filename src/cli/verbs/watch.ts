import { setTimeout as sleep } from 'node:timers/promises'
import { isTerminal } from '../../request/provision-request.ts'
import { passes } from '../command-error.ts'
import { project, request } from '../option.ts'
import { isGood, pathOf, reasonOf, type StatusReply } from '../requests.ts'
import { harmless } from '../text-width.ts'
import { at } from '../times.ts'
import { defineVerb } from '../verb.ts'

/** How long the service may hold a reply. */
const HELD = '30s'
const RETRY_MS = 2000

export const watch = defineVerb({
  name: 'watch',
  says: 'follows a request to its end, with a line for each state; 1 where it does not end well',
  role: 'read',
  places: { project, request },
  options: {},
  examples: ['watch project-1 order-7f3c'],
  notes: 'Exit code 0: running or partially_running; 1: failed, expired or cancelled.',
  carryOut: async ({ project, request }, { api, terminal, json }) => {
    const path = pathOf(project, request)
    let status = await api.read<StatusReply>(path)
    for (;;) {
      if (json) terminal.line(JSON.stringify(status))
      else terminal.line(lineOf(status))
      const { state } = status
      if (isTerminal(state)) return isGood(state) ? 'done' : 'failed'
      do status = await held(() => api.read<StatusReply>(path, { wait: HELD, since: state }), terminal)
      while (status.state === state)
    }
  },
})

function lineOf(status: StatusReply): string {
  const { state, counts, updated_at } = status
  const reason = reasonOf(status)
  const servers = counts.created === 0 ? '' : `, ${counts.running} of ${counts.created} servers run`
  return harmless(`${at(updated_at)}  ${state}${servers}${reason === null ? '' : `: ${reason}`}`)
}

/** Asks again for as long as an answer may still come. */
async function held<Reply>(
  read: () => Promise<Reply>,
  terminal: { progress: (text: string) => void },
): Promise<Reply> {
  for (;;) {
    try {
      return await read()
    } catch (error) {
      if (!passes(error)) throw error
      terminal.progress(`${error.message}; trying again`)
      await sleep(RETRY_MS)
    }
  }
}
