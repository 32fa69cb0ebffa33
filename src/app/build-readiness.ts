import { createBootCurves } from '../forecast/boot-curves.ts'
import { createReadinessPoller } from '../readiness/readiness-poller.ts'
import type { Service } from '../runtime/service.ts'
import { mayHoldPassword } from '../secrets/password-search.ts'
import type { Core } from './core.ts'
import type { Loops, WakeUps } from './wake-ups.ts'

interface Readiness {
  services: Service[]
  loops: Loops<'poller'>
}

/** Instances to states, and requests to their end. */
export function buildReadiness(core: Core, { onEvents }: WakeUps): Readiness {
  const { config, logger, metrics, database, client, passwordDigester, passwordTracer, readinessShare } = core

  const bootCurves = createBootCurves({ database, logger })
  const poller = createReadinessPoller({
    database,
    client,
    pollMinMs: config.pollMinMs,
    pollMaxMs: config.pollMaxMs,
    limits: {
      provisionTimeoutMs: config.provisionTimeoutMs,
      visibilityMs: config.reconcileSettleMs,
      serverWaitMs: config.pollMaxMs,
    },
    readinessShare,
    ...(config.pollLearning ? { curveOf: bootCurves.of } : {}),
    learnBoot: bootCurves.learn,
    credentials: core.credentials,
    adaptive: config.rateAdaptive,
    holdsPassword: (text, { digest, trace, projectId, requestId }) =>
      mayHoldPassword(text, (password) => {
        const owner = { projectId, requestId, password }
        // Of an instance that turns up after the end there may be neither: then any password may be it.
        if (trace !== null && !passwordTracer.mayMatch(owner, trace)) return false
        return digest === null || passwordDigester.matches(owner, digest)
      }),
    idleMs: core.idleMs,
    metrics,
    logger,
    onEvents,
  })

  return {
    services: [bootCurves, poller],
    loops: { poller: { ...poller, serves: () => config.roles.has('readiness') } },
  }
}
