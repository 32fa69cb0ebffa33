import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'

/** Of pages that load everything from this server, and have neither scripts nor styles within them. */
export const PAGE_POLICY = {
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  'style-src': ["'self'"],
  'img-src': ["'self'", 'data:'],
  'connect-src': ["'self'"],
  'base-uri': ["'none'"],
  'form-action': ["'none'"],
  'frame-ancestors': ["'none'"],
}

/**
 * What browsers are told about every reply. What is no page may load nothing; a page sends a content security policy of
 * its own. `secure`: browsers are to come back by HTTPS alone.
 */
export function registerSecurityHeaders(app: FastifyInstance, { secure }: { secure: boolean }): void {
  app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
    },
    strictTransportSecurity: secure ? { includeSubDomains: false } : false,
    xFrameOptions: { action: 'deny' },
    // For browsers of long ago, and for what is not served here.
    originAgentCluster: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
  })
}
