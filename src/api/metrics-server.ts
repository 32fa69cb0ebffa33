import type { Service } from '../runtime/service.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { createListener, type ListenerOptions } from './listener.ts'
import { registerMetricsRoute } from './metrics-route.ts'

export interface MetricsServerOptions extends ListenerOptions {
  /** 0 takes a free one. */
  port: number
  metrics: Metrics
}

/** /metrics on a port of its own, for everybody who reaches it. */
export function createMetricsServer({ port, metrics, ...options }: MetricsServerOptions): Service & {
  /** Throws before it listens. */
  url(): string
} {
  const app = createListener(options, { access: null, perSecond: Number.POSITIVE_INFINITY })
  app.register(async (routes) => registerMetricsRoute(routes, { metrics }))
  let starting: Promise<unknown> | undefined
  let stopped: Promise<void> | undefined

  const stop = async () => {
    await starting?.catch(() => undefined)
    const closing = app.close()
    app.server.closeAllConnections()
    await closing
  }
  return {
    name: 'metrics',
    start: async () => {
      if (stopped !== undefined) return
      starting ??= app.listen({ host: options.host, port })
      await starting
    },
    stop: () => {
      stopped ??= stop()
      return stopped
    },
    url: () => app.listeningOrigin,
  }
}
