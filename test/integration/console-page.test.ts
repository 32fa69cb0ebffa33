import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OVERVIEW_EXAMPLE } from '../../src/api/operations/overview-example.ts'
import { accessBy } from '../support/access.ts'
import { setUpApi } from '../support/api-world.ts'
import { BROWSER_REMEDY, hasBrowser, openPage, startBrowser } from '../support/browser.ts'

const KEYS = [
  { id: 'ann', key: 'ann-key', roles: ['read', 'cancel', 'operate'] as const, projects: '*' as const },
  { id: 'bob', key: 'bob-key', roles: ['read'] as const, projects: ['p'] },
]

describe.skipIf(!hasBrowser)(`the console${BROWSER_REMEDY}`, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await startBrowser()
  })
  afterAll(() => browser?.close())

  /** The page over an API whose overview is made up. */
  async function setUp({ key = 'ann-key', overview = OVERVIEW_EXAMPLE as unknown } = {}) {
    const { api } = setUpApi({}, { access: accessBy({ keys: KEYS.map((one) => ({ ...one })) }) })
    await api.start()
    const opened = await openPage(browser)
    const { page } = opened
    await page.route('**/operations/overview', (route) => route.fulfill({ json: overview }))
    await page.goto(`${api.url()}/console`)
    await page.getByLabel('Key or token').fill(key)
    await page.getByRole('button', { name: 'Sign in' }).click()
    return opened
  }

  test('shows the overview to who signs in with a key', async () => {
    const { page, faults } = await setUp()
    await page.getByRole('heading', { name: 'Is anything broken?' }).waitFor()
    expect(faults).toEqual([])
  })
})
