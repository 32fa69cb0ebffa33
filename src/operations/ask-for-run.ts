import type { Database } from '../database/database.ts'
import { newUuid } from '../runtime/uuid.ts'
import type { By } from './audit.ts'
import { insertRun } from './insert-run.sql.ts'
import { namedParams, type RunKind, type RunParams } from './run.ts'
import { writeAudit } from './write-audit.sql.ts'

const VERBS = { dead_letters: 'dead_letters.replay', events: 'events.replay' } as const

/** Stores a run with its entry in the audit; a replica carries it out soon. Returns its id. */
export async function askForRun<Kind extends RunKind>(
  database: Pick<Database, 'prismaTransaction'>,
  kind: Kind,
  params: RunParams[Kind],
  by: By,
): Promise<string> {
  const id = newUuid()
  await database.prismaTransaction(async (sql) => {
    await insertRun(sql, { id, kind, params })
    const projectId = 'projectId' in params ? (params.projectId ?? null) : null
    const entry = {
      verb: VERBS[kind],
      projectId,
      target: id,
      before: null,
      after: namedParams(params),
      until: null,
    }
    await writeAudit(sql, { ...by, ...entry })
  })
  return id
}
