import type { Logger } from 'pino'
import type { UpstreamInstance } from '../clouddc/wire.ts'
import { carriedMarkers } from './marker.ts'

/** More than these are not told apart: nobody has so many. */
const MAX_TOLD = 1000

/**
 * Logs each other installation of the service whose marker an instance carries, once. What it has ordered is left
 * alone; but it spends the same call limit, which nobody may know of. `installation` is this one's own name.
 */
export function createForeignInstallations(logger: Logger) {
  const told = new Set<string>()
  return (projectId: string, instance: UpstreamInstance, installation: string): void => {
    for (const { installation: other } of carriedMarkers(instance)) {
      if (other === null || other === installation || told.has(other) || told.size >= MAX_TOLD) continue
      told.add(other)
      logger.warn(
        { projectId, installation: other, instanceId: instance.id },
        'CloudDC holds instances that another installation of the service has ordered',
      )
    }
  }
}
