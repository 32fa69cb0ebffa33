import { byDefault, value, wholeNumber } from './option.ts'
import type { Terminal } from './terminal.ts'

const limit = byDefault(value('number', 'how many at the most, by default 50', wholeNumber(1, 200)), 50)

/** Of verbs that list the newest of something. */
export const NEWEST = { limit }

/** Of verbs that list something page by page. */
export const PAGE = { limit, marker: value('marker', 'go on after the page before, which has told it') }

/** What stands below a page: how to see the next one. */
export const nextPage = ({ paint }: Pick<Terminal, 'paint'>, marker: string | null): string[] =>
  marker === null ? [] : ['', paint('dim', `more: --marker ${marker}`)]
