/**
 * Paging of ListInstances and ListServers: limits from 10 to 1000, the marker is the id of the last record of the
 * page before. `next_marker` is left out on the last page.
 */
export type Page = {
  next_marker?: string
  previous_marker?: string
  current_count: number
}

const least = 10
const most = 1000

/** Absent or less than 10 is 10, more than 1000 is 1000; null when the text is no integer. */
export function readLimit(text: string | null): number | null {
  if (text === null || text === '') return least
  if (!/^-?\d+$/.test(text)) return null
  return Math.min(Math.max(Number(text), least), most)
}

export function pageOf(ids: readonly string[], more: boolean): Page {
  const first = ids[0]
  const last = ids.at(-1)
  return {
    ...(more && last !== undefined ? { next_marker: last } : {}),
    ...(first !== undefined ? { previous_marker: first } : {}),
    current_count: ids.length,
  }
}

/** A comma-separated query value, also when it is given more than once; null when absent or empty. */
export function readIds(query: URLSearchParams, name: string): string[] | null {
  const ids = query
    .getAll(name)
    .flatMap((text) => text.split(','))
    .map((id) => id.trim())
    .filter((id) => id !== '')
  return ids.length === 0 ? null : ids
}
