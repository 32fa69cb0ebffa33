import type { Database } from '../database/database.ts'
import type { By } from './audit.ts'
import { RefusedChangeError } from './refused-change.ts'
import { endRun } from './stop-run.sql.ts'
import { writeAudit } from './write-audit.sql.ts'

/**
 * Ends a run, which has failed then. Whoever carries it out learns of it within a second, and finishes what is in hand.
 * @throws {RefusedChangeError} when it is over, or there is none
 */
export async function stopRun(
  database: Pick<Database, 'prismaTransaction'>,
  id: string,
  by: By,
): Promise<void> {
  await database.prismaTransaction(async (sql) => {
    const done = await endRun(sql, id, `stopped by ${by.who}: ${by.reason}`)
    if (done === null) throw new RefusedChangeError(`run ${id} is over`)
    await writeAudit(sql, {
      ...by,
      ...{ verb: 'run.stop', projectId: null, target: id, until: null },
      before: { done },
      after: null,
    })
  })
}
