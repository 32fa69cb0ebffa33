import { createReplicas, type Replicas } from '../../dev/replicas.ts'
import { createRunFolder } from '../../dev/servers/run-folder.ts'
import { type SimulatorProcess, startSimulator } from '../../dev/simulator-process.ts'
import type { AppWorld } from './app-world.ts'

/** A bound on hangs. */
export const READY_MS = 60_000

/**
 * Three replicas, each in a process of its own, with the API in this one, until the world is closed. So is the simulator,
 * which notes arrivals when they arrive.
 */
export async function startThreeReplicas(
  world: AppWorld,
  { limit, bootMs }: { limit: { rate: number; burst: number }; bootMs: { min: number; max: number } },
): Promise<{ simulator: SimulatorProcess; replicas: Replicas }> {
  const folder = createRunFolder()
  world.defer(folder.remove)
  const knobs = { SIM_BOOT_MIN_MS: String(bootMs.min), SIM_BOOT_MAX_MS: String(bootMs.max) }
  const simulator = await startSimulator({ folder, knobs })
  const replicas = await createReplicas({
    folder,
    count: 3,
    environment: {
      ...world.environment,
      CLOUDDC_ENDPOINT: simulator.url,
      RATE_LIMIT_PER_SECOND: String(limit.rate),
      RATE_LIMIT_BURST: String(limit.burst),
    },
  })
  world.defer(replicas.stop)
  await world.startApp({ ROLES: 'api' })
  for (const replica of replicas.all) replica.start()
  await Promise.all(replicas.all.map((replica) => replica.ready(READY_MS)))
  return { simulator, replicas }
}
