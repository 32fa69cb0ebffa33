import type { Database } from '../database/database.ts'

/** The name of this installation in the markers of its attempts: eight of a-z and 0-9, which the migration has made. */
export type Installation = () => Promise<string>

/** Read once, when it is needed first; one that could not be read is read again. */
export function createInstallation(database: Pick<Database, 'prisma'>): Installation {
  let known: string | undefined
  return async () => {
    known ??= (await database.prisma.installation.findFirstOrThrow()).id
    return known
  }
}
