import type { Walk } from '../../dev/bench/explain.ts'
import { store } from '../../dev/bench/hot-statements.ts'
import { beginReading, readSpokenServers } from '../../src/preflight/begin-reading.sql.ts'
import {
  holdOrders,
  readHeldOrders,
  readTooLargeOrders,
  releaseOrders,
} from '../../src/preflight/orders.sql.ts'
import { postponeReading, recordReading } from '../../src/preflight/record-reading.sql.ts'
import {
  disbelieveReading,
  takeReadings,
  wantForgottenReadings,
  wantReadings,
} from '../../src/preflight/wanted-readings.sql.ts'

const FIRST_NUMBER = 960_000_000
const LIMIT = 1000

/** Takes requests through the statements of preflight, each named after its file. */
export async function walkPreflight({ as, plain }: Walk): Promise<void> {
  const placed = await store(plain, FIRST_NUMBER)
  const projects = [...new Set(placed.map((request) => request.projectId))]
  const [projectId = ''] = projects
  const ids = placed.flatMap((request) => (request.projectId === projectId ? [request.id] : []))
  await wantReadings(as('wanted-readings want'), projects)
  await takeReadings(as('wanted-readings take'), 32)
  await readSpokenServers(as('begin-reading spoken'), projectId)
  const begun = await beginReading(as('begin-reading'), projectId)
  if (begun === undefined) throw new Error('the project has no bucket')
  const { begunAt } = begun
  await readTooLargeOrders(as('orders too large'), { projectId, begunAt, limit: LIMIT, ready: 0 })
  const held = ids.map((id) => ({ id, heldFor: null }))
  await holdOrders(as('orders hold'), held)
  await wantForgottenReadings(as('wanted-readings forgotten'))
  await readHeldOrders(as('orders held'), { projectId, begunAt, limit: LIMIT })
  await releaseOrders(as('orders release'), ids)
  const times = { renewMs: 2000, lifeMs: 4000, nextMs: null, gapMs: 200 }
  await recordReading(as('record-reading'), {
    projectId,
    begunAt,
    readyLimit: 5,
    ...times,
    readsServers: false,
  })
  await postponeReading(as('record-reading postpone'), { projectId, nextMs: 5000, gapMs: 200 })
  await disbelieveReading(as('wanted-readings disbelieve'), projectId)
}
