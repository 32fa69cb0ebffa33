import { v7 as uuidv7 } from 'uuid'

/**
 * How the 202 of a batch-create lies about what it made:
 * - `fewer`: the first instance only. `none`: an empty list.
 * - `twice`: the first instance also stands in the place of the last, or once more where it is alone.
 * - `more`: one more, which nobody has. `unusable`: an empty id in the place of the last.
 */
export const misnamings = ['fewer', 'none', 'twice', 'more', 'unusable'] as const
export type Misnaming = (typeof misnamings)[number]

/** The ids that the answer names instead of those that were made. */
export function misname(made: readonly string[], how: Misnaming): string[] {
  switch (how) {
    case 'fewer':
      return made.slice(0, 1)
    case 'none':
      return []
    case 'twice':
      return made.length === 1 ? [...made, ...made] : [...made.slice(0, -1), ...made.slice(0, 1)]
    case 'more':
      return [...made, uuidv7()]
    case 'unusable':
      return [...made.slice(0, -1), '']
  }
}
