import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { accessBy } from '../../test/support/access.ts'
import { setUpApi } from '../../test/support/api-world.ts'
import type { Overview, Projects } from '../replies.ts'
import { openPage } from './browser.ts'
import { madeUpOverview } from './made-up-overview.ts'

const KEYS = [
  { id: 'ann', key: 'ann-key', roles: ['read', 'cancel', 'operate'] as const, projects: '*' as const },
  { id: 'bob', key: 'bob-key', roles: ['read'] as const, projects: ['p'] },
]

export interface Asked {
  method: string
  path: string
  body: unknown
}

/** The page in a browser, over an API of one request and an overview that the test makes up. */
export async function openConsole(
  browser: Browser,
  {
    overview = madeUpOverview(),
    key = 'ann-key',
    signIn = true,
    ...options
  }: { overview?: Overview; key?: string; signIn?: boolean } & BrowserContextOptions = {},
) {
  const { api } = setUpApi({}, { access: accessBy({ keys: KEYS.map((one) => ({ ...one })) }) })
  await api.start()
  const opened = await openPage(browser, options)
  const { page } = opened
  const world = { overview, version: 1, answers: [] as number[], changes: [] as Asked[], refusal: '' }
  await page.route('**/operations/overview', async (route) => {
    const tag = `W/"${world.version}"`
    const known = (await route.request().headerValue('if-none-match')) === tag
    world.answers.push(known ? 304 : 200)
    await (known
      ? route.fulfill({ status: 304, headers: { etag: tag } })
      : route.fulfill({ json: world.overview, headers: { etag: tag } }))
  })
  await page.route('**/operations/projects?*', (route) =>
    route.fulfill({ json: { projects: projectsOf(world.overview), next_marker: 'next' } }),
  )
  // What only another part of the service does: taken down, and answered.
  const changing = /\/operations\/(?!overview)[^?]*(\?.*)?$/
  await page.route(changing, async (route) => {
    const request = route.request()
    if (request.method() === 'GET') return route.fallback()
    const { pathname, search } = new URL(request.url())
    world.changes.push({
      method: request.method(),
      path: pathname + search,
      body: request.postData() === null ? null : request.postDataJSON(),
    })
    if (world.refusal === '') return route.fulfill({ json: {} })
    return route.fulfill({ status: 409, json: { status: 409, code: 'refused', detail: world.refusal } })
  })
  await page.goto(`${api.url()}/console`)
  if (signIn) await signInWith(page, key)
  return { ...opened, world, url: `${api.url()}/console/` }
}

/** The first page of them, as the route of all projects tells it. */
function projectsOf({ budgets }: Overview): Projects['projects'] {
  const requests = { queued: 1, dispatching: 0, uncertain: 0, provisioning: 0 }
  const ended = { running: 9, partially_running: 0, failed: 0, expired: 0, cancelled: 0 }
  return budgets.projects.map(
    ({ project_id, used_share, credential_id, closed_reason, closed_until, ...bucket }) => ({
      ...{ project_id, used_share, credential_id, counts_capped: false, queue: null },
      ...{ oldest_waiting: null, oldest_uncertain: null, requests: { ...requests, ...ended } },
      bucket: { ...bucket, blocked_reason: closed_reason, blocked_until: closed_until },
    }),
  )
}

export async function signInWith(page: Page, key: string): Promise<void> {
  await page.getByLabel('Key or token').fill(key)
  await page.keyboard.press('Enter')
}
