import { readdirSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { notFound } from './problem.ts'
import { PAGE_POLICY } from './security-headers.ts'

const FOLDER = new URL('../../console/', import.meta.url)
/** What a browser asks for; types and tests lie there, too. */
const SERVED = /^[a-z-]+\.(html|css|js|svg)$/

/** Files of packages, by the names under which the page imports them. */
const LIBRARIES: Readonly<Record<string, string>> = {
  'lib/preact.js': 'preact',
  'lib/htm.js': 'htm',
  'lib/uplot.js': 'uplot/dist/uPlot.esm.js',
  'lib/uplot.css': 'uplot/dist/uPlot.min.css',
}

/** The files of the page at /console, as they are: they hold nothing that a caller would have to be known for. */
export function registerConsoleRoutes(app: FastifyInstance): void {
  const own = new Set(readdirSync(FOLDER).filter((name) => SERVED.test(name)))
  app.register(fastifyStatic, { root: fileURLToPath(FOLDER), serve: false, cacheControl: false })
  const policy = Object.entries(PAGE_POLICY)
    .map(([name, sources]) => [name, ...sources].join(' '))
    .join('; ')

  // The page names everything relative to its folder, so that it works behind a gateway's prefix, too.
  app.get('/console', { schema: { hide: true } }, (_request, reply) => reply.redirect('console/', 308))

  app.get<{ Params: { '*': string } }>('/console/*', { schema: { hide: true } }, async (request, reply) => {
    const name = request.params['*'] || 'index.html'
    const url = own.has(name) ? new URL(name, FOLDER).href : libraryUrl(name)
    if (url === null) throw notFound(`the console has no file ${name}`)
    // Asked again each time, by its tag, so that all files are of one version.
    reply.headers({ 'cache-control': 'no-cache', 'content-security-policy': policy })
    const file = fileURLToPath(url)
    return reply.sendFile(basename(file), dirname(file))
  })
}

/** Null for what is no file of a package that the page needs. */
function libraryUrl(name: string): string | null {
  const module = Object.hasOwn(LIBRARIES, name) ? LIBRARIES[name] : undefined
  return module === undefined ? null : import.meta.resolve(module)
}
