import type { DeadLetterList } from '../../contracts/operations.ts'
import { REJECTION_CODES } from '../../contracts/rejection-code.ts'
import type { Wire } from '../../contracts/wire.ts'
import { beginRun } from '../follow-run.ts'
import {
  byDefault,
  flag,
  InvalidValue,
  positiveNumber,
  reason,
  required,
  value,
  wholeNumber,
} from '../option.ts'
import { NEWEST } from '../page.ts'
import { show } from '../show.ts'
import { table } from '../table.ts'
import { at } from '../times.ts'
import { DRY_RUN, defineVerb, WATCH } from '../verb.ts'

const code = value('code', `with this x-rejection-code: ${REJECTION_CODES.join(', ')}`, (text) => {
  if (REJECTION_CODES.some((known) => known === text)) return text
  throw new InvalidValue(`must be one of ${REJECTION_CODES.join(', ')}`)
})

export const deadLettersList = defineVerb({
  name: 'dead-letters list',
  says: 'lists messages that were rejected, newest first; takes nothing from the queue',
  role: 'operate',
  places: {},
  options: {
    code,
    ...NEWEST,
    ...WATCH,
  },
  examples: ['dead-letters list --code delivery_limit'],
  carryOut: async ({ code, limit, ...watching }, { api, terminal, json }) => {
    await show({ terminal, json }, watching, {
      read: () => api.read<Wire<DeadLetterList>>('/operations/dead-letters', { code, limit }),
      draw: ({ in_queue, letters }) => [
        `${in_queue ?? 'an unknown number of'} letters wait in the queue`,
        '',
        ...(letters.length === 0
          ? ['none is known']
          : table(
              terminal,
              [
                { title: 'rejected' },
                { title: 'code' },
                { title: 'project' },
                { title: 'request' },
                { title: 'bytes', right: true },
                { title: 'replayed' },
                { title: 'faults', gives: true },
              ],
              letters.map((letter) => [
                at(letter.rejected_at),
                letter.code,
                letter.project_id,
                letter.request_id,
                letter.bytes,
                at(letter.replayed_at),
                letter.detail.map(({ path, message }) => `${path} ${message}`.trim()).join('; '),
              ]),
            )),
      ],
    })
    return undefined
  },
})

export const deadLettersReplay = defineVerb({
  name: 'dead-letters replay',
  says: 'sends rejected messages of one code to the request queue again, and follows that to its end',
  role: 'operate',
  places: {},
  options: {
    code: required(code),
    max: byDefault(
      value('number', 'how many at the most, by default 10000', wholeNumber(1, 10_000_000)),
      10_000,
    ),
    perSecond: byDefault(value('number', 'how many per second, by default 100', positiveNumber), 100),
    reason,
    noWait: flag('only begin it'),
    ...DRY_RUN,
  },
  examples: [
    'dead-letters replay --code delivery_limit --per-second 500 --reason "the crash of last night is repaired"',
  ],
  notes:
    'Nothing is lost and nothing is ordered twice, whatever dies meanwhile. The run goes on when nobody follows it.',
  carryOut: async ({ code, max, perSecond, reason, noWait, dryRun }, context) => {
    const body = { code, max, per_second: perSecond, reason }
    await beginRun(
      context,
      { method: 'POST', path: '/operations/dead-letters/replay', body },
      { dryRun, noWait },
    )
    return undefined
  },
})
