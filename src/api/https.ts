import { Server } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { type Certificate, type CertificateFiles, rereadCertificate } from '../runtime/certificate.ts'
import { coerceError } from '../runtime/errors.ts'

/** How often the files are looked at, in milliseconds. */
const LOOK_MS = 5000

/**
 * Has new connections use the certificate of the files as they become, without a restart. While they are missing or do
 * not fit together, the last good pair stays in use, and the log says so once.
 */
export function followCertificate(
  app: FastifyInstance,
  {
    files,
    first,
    logger,
    lookMs = LOOK_MS,
  }: { files: CertificateFiles; first: Certificate; logger: Logger; lookMs?: number | undefined },
): void {
  let used = first
  let isFaulty = false

  const look = async () => {
    try {
      const found = await rereadCertificate(files)
      isFaulty = false
      if (found.cert === used.cert && found.key === used.key) return
      const { server } = app
      if (server instanceof Server) server.setSecureContext(found)
      used = found
      logger.info('the certificate of HTTPS has changed')
    } catch (error) {
      if (!isFaulty) {
        logger.error({ reason: coerceError(error).message }, 'the certificate of HTTPS cannot be read')
      }
      isFaulty = true
    }
  }

  let looking: NodeJS.Timeout | undefined
  app.addHook('onListen', async () => {
    looking = setInterval(() => void look(), lookMs).unref()
  })
  app.addHook('onClose', async () => clearInterval(looking))
}
