import type { CaseFile, RequestCase } from './case-file.ts'
import { keyOf } from './evidence.ts'
import type { Violation } from './verdict.ts'

const MARKER_KEY = 'provisioner-attempt'

/**
 * I2: at most one call per request created instances, the service knows every one of them under the right request,
 * and none that the ledger does not know.
 */
export function findDuplicates({ evidence, cases, strayCalls }: CaseFile): Violation[] {
  const violations: Violation[] = cases.flatMap(duplicatesOf)
  for (const call of strayCalls) {
    if (call.instance_ids.length === 0) continue
    const subject = keyOf(call.project, call.asked?.name ?? '')
    violations.push({ subject, message: `call ${call.n} created instances for no stored request` })
  }
  const real = new Set(evidence.ledgerInstances.map(({ project, id }) => keyOf(project, id)))
  for (const { projectId, id } of evidence.instances) {
    if (!real.has(keyOf(projectId, id))) {
      violations.push({ subject: keyOf(projectId, id), message: 'stored, but CloudDC never created it' })
    }
  }
  return violations
}

/** Orders that CloudDC got otherwise than they were asked for. */
export function findWrongOrders({ cases }: CaseFile): Violation[] {
  const violations: Violation[] = []
  for (const { key, order, calls } of cases) {
    for (const { n, asked } of calls) {
      if (order === null || asked === null) continue
      const wanted = order.servers === null ? `${order.min} to ${order.max}` : serverList(order.servers)
      const sent =
        asked.servers === null ? `${asked.min_count} to ${asked.max_count}` : serverList(asked.servers)
      if (sent !== wanted)
        violations.push({ subject: key, message: `call ${n} ordered ${sent}, not ${wanted}` })
    }
  }
  return violations
}

function duplicatesOf({ key, row, attempts, instances, calls, ledgerInstances }: RequestCase): Violation[] {
  const violations: Violation[] = []
  const creating = calls.filter((call) => call.instance_ids.length > 0)
  if (creating.length > 1) {
    const found = creating.map((call) => `${call.n} (${call.instance_ids.length})`).join(', ')
    violations.push({ subject: key, message: `${creating.length} calls created instances: ${found}` })
  }
  const known = new Map(instances.map((instance) => [instance.id, instance]))
  const ownAttempts = new Set(attempts.map((attempt) => attempt.id))
  for (const { id, metadata, call } of ledgerInstances) {
    const stored = known.get(id)
    if (stored === undefined) {
      violations.push({ subject: key, message: `instance ${id} of call ${call} is not known to the service` })
    }
    const marker = metadata[MARKER_KEY]
    if (marker === undefined) continue
    // <request uuid>.<attempt number>/<installation>/<request_id>
    const [attempt = '', , requestId] = marker.split('/')
    if (!ownAttempts.has(attempt) || requestId !== row.requestId) {
      violations.push({ subject: key, message: `instance ${id} carries the marker of an attempt of others` })
    } else if (stored !== undefined && stored.attemptId !== attempt) {
      violations.push({
        subject: key,
        message: `instance ${id} is stored under another attempt than made it`,
      })
    }
  }
  const created = new Set(ledgerInstances.map((instance) => instance.id))
  for (const { id } of instances) {
    if (!created.has(id)) violations.push({ subject: key, message: `instance ${id} was not created for it` })
  }
  return violations
}

function serverList(servers: readonly string[]): string {
  return `servers ${[...new Set(servers)].toSorted().join(', ')}`
}
