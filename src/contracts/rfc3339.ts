/** The form alone: days and hours are judged below. */
export const DATE_TIME =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/

const EARLIEST = Date.parse('0001-01-01T00:00:00.000Z')
const LATEST = Date.parse('9999-12-31T23:59:59.999Z')

/**
 * The instant of an RFC 3339 date-time, or null where the text is none. Fractions are cut to milliseconds, so an
 * instant never moves later; a leap second, 23:59:60 UTC, counts as the second after it. Instants that an offset
 * moves out of the years 1 to 9999, and the year 0, which Postgres does not know, become the nearest inside.
 */
export function parseDateTime(text: string): Date | null {
  const match = DATE_TIME.exec(text)
  if (match === null) return null
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const offsetHour = Number(match[9] ?? 0)
  const offsetMinute = Number(match[10] ?? 0)
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return null
  if (hour > 23 || minute > 59 || second > 60 || offsetHour > 23 || offsetMinute > 59) return null

  const milliseconds = second === 60 ? 0 : Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'))
  const offsetMs = (match[8] === '-' ? -1 : 1) * (offsetHour * 60 + offsetMinute) * 60_000
  // Date.UTC takes the years 0 to 99 for 1900 to 1999.
  const instant = new Date(0).setUTCFullYear(year, month - 1, day)
  const time = instant + hour * 3_600_000 + minute * 60_000 + second * 1000 + milliseconds - offsetMs
  // With a leap second, `time` is the midnight after it, which is where it ends.
  if (second === 60 && time % 86_400_000 !== 0) return null
  return new Date(Math.min(Math.max(time, EARLIEST), LATEST))
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return [4, 6, 9, 11].includes(month) ? 30 : 31
}
