import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { accessBy } from '../support/access.ts'
import { setUpApi } from '../support/api-world.ts'

/** What a page loads: `src` and `href` of its elements, and imports. */
const LOADS = /(?:src|href)="([^"]+)"|^import [^']*'(\.[^']+)'/gm

const get = async (url: string, headers: Record<string, string> = {}) => {
  const { api } = setUpApi({}, { access: accessBy({ keys: [] }) })
  return api.app.inject({ url, headers })
}

describe('the files of the console', () => {
  test('are served to everybody, with a policy under which nothing else is loaded', async () => {
    const reply = await get('/console/')
    expect(reply.statusCode).toBe(200)
    expect(reply.headers['content-type']).toMatch(/^text\/html/)
    const policy = String(reply.headers['content-security-policy'])
    expect(policy).toContain("default-src 'none'")
    expect(policy).not.toMatch(/unsafe|https?:/)
    expect(reply.headers['x-content-type-options']).toBe('nosniff')
  })

  test('are found from /console, by whatever path it is reached', async () => {
    const reply = await get('/console')
    expect([reply.statusCode, reply.headers.location]).toEqual([308, 'console/'])
  })

  test('name only files that are there, from the page on', async () => {
    const { api } = setUpApi()
    const seen = new Set<string>()
    const follow = async (path: string): Promise<void> => {
      if (seen.has(path)) return
      seen.add(path)
      const reply = await api.app.inject(path)
      expect(reply.statusCode, path).toBe(200)
      if (path.includes('/lib/')) return
      for (const [, attribute, imported] of reply.body.matchAll(LOADS)) {
        const target = attribute ?? imported ?? ''
        if (target.startsWith('#') || target.includes('$')) continue
        await follow(new URL(target, `http://localhost${path}`).pathname)
      }
    }
    await follow('/console/')
    const scripts = readdirSync('console').filter((name) => /\.(js|css|svg)$/.test(name))
    expect(scripts.filter((name) => !seen.has(`/console/${name}`))).toEqual([])
    expect([...seen].filter((path) => path.includes('/lib/'))).toHaveLength(4)
  })

  test('are asked for again by their tag, and served anew when they differ', async () => {
    const first = await get('/console/app.js')
    expect(first.headers['cache-control']).toBe('no-cache')
    const again = await get('/console/app.js', { 'if-none-match': String(first.headers.etag) })
    expect(again.statusCode).toBe(304)
  })

  test.each([
    '/console/replies.ts',
    '/console/tsconfig.json',
    '/console/lib/preact.d.ts',
    '/console/..%2fpackage.json',
    '/console/../package.json',
    '/console/test/flow.test.ts',
    '/console/nothing.js',
  ])('do not include %s', async (url) => {
    expect((await get(url)).statusCode).toBe(404)
  })

  test('hold neither scripts nor styles within the page', async () => {
    const { body } = await get('/console/')
    expect(body).not.toMatch(/<style|style=|<script(?![^>]*src=)|\son[a-z]+=/)
  })
})
