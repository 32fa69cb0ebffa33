import pg from 'pg'
import { runService } from '../end-to-end-run.ts'
import { compare, comparedResult } from '../rounds.ts'
import type { Scenario } from '../scenario.ts'
import { startUpstream } from '../upstream.ts'
import type { World } from '../world.ts'

/** `end_to_end` while another session keeps an old snapshot, so that no dead row can be cleared away. */
export const heldSnapshot: Scenario = async (context) => {
  const { bench, options } = context
  const requests = options.quick ? 1000 : 20_000
  const upstream = await startUpstream(bench.folder)
  const measure = async (held: boolean) => {
    const world = await bench.createWorld()
    const release = held ? await holdSnapshot(world) : async () => undefined
    try {
      return (await runService({ bench, world, upstream, requests })).perSecond
    } finally {
      await release()
      await world.close()
    }
  }
  try {
    const compared = await compare({
      context,
      rounds: 3,
      unit: 'requests/s',
      service: () => measure(true),
      raw: () => measure(false),
    })
    return comparedResult(compared, {
      unit: 'requests/s',
      least: 0.7,
      details: { requests, raw_is: 'the service without the held snapshot' },
    })
  } finally {
    await upstream.stop()
  }
}

async function holdSnapshot(world: World): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: world.databaseUrl })
  await client.connect()
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
  await client.query('SELECT count(*) FROM provision_request')
  return () => client.end()
}
