import { progressOf, type RunReply, runPath } from '../follow-run.ts'
import { InvalidValue, required, value } from '../option.ts'
import { show } from '../show.ts'
import { facts } from '../table.ts'
import { when } from '../times.ts'
import { defineVerb, WATCH } from '../verb.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const id = required(
  value('id', 'of the run', (text) => {
    if (UUID.test(text)) return text
    throw new InvalidValue('must be the id of a run (a UUID)')
  }),
)

export const run = defineVerb({
  name: 'run',
  says: 'shows how far a replay has come',
  role: 'operate',
  places: { id },
  options: WATCH,
  examples: ['run 019ab06b-6f1d-7c52-8a3e-0b7d52f1c9aa --watch'],
  notes: 'With --watch it ends when the run has ended. Exit code 1: the run has failed.',
  carryOut: async ({ id, ...watching }, { api, terminal, json }) => {
    const { state } = await show({ terminal, json }, watching, {
      read: () => api.read<RunReply>(runPath(id)),
      draw: (run) =>
        facts(terminal, [
          ['run', `${run.id} (${run.kind})`],
          ['state', progressOf(run)],
          ['asked', when(run.created_at)],
          ['began', when(run.started_at)],
          ['ended', when(run.finished_at)],
          ['of', JSON.stringify(run.params)],
        ]),
      isOver: ({ state }) => state === 'done' || state === 'failed',
    })
    return state === 'failed' ? 'failed' : 'done'
  },
})
