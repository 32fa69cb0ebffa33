import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { BROWSER_REMEDY, hasBrowser, startBrowser } from './browser.ts'
import { openConsole, signInWith } from './console-world.ts'
import { wellOverview } from './made-up-overview.ts'

/** The address of a server whose every answer breaks off in the middle of its body. */
async function startBreakingOff(): Promise<string> {
  const server = createServer((_request, reply) => {
    reply.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 })
    reply.write('{"troubles":', () => reply.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

describe.skipIf(!hasBrowser)(`the console, of a service in trouble${BROWSER_REMEDY}`, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await startBrowser()
  })
  afterAll(() => browser?.close())

  test('says so while the service does not answer, and shows what it knew', async () => {
    const { page } = await openConsole(browser, { overview: wellOverview() })
    await page.getByText('No. All is well.').waitFor()
    await page.route('**/operations/overview', (route) => route.abort())
    await page.getByRole('alert').getByText('The service does not answer.').waitFor()
    await page.getByText('It is not known now. Before: No. All is well.').waitFor()
    await page.unroute('**/operations/overview')
    const problem = { status: 503, code: 'database_unavailable', detail: 'the database does not answer' }
    await page.route('**/operations/overview', (route) => route.fulfill({ status: 503, json: problem }))
    await page.getByRole('alert').getByText('The database does not answer. What is shown is').waitFor()
    await page.unroute('**/operations/overview')
    await page.route('**/operations/overview', (route) => route.fulfill({ json: wellOverview() }))
    await page.getByText('The service does not answer.').waitFor({ state: 'hidden' })
  })

  test('says why the overview cannot be had, also at first', async () => {
    const { page } = await openConsole(browser, { signIn: false })
    await page.route('**/operations/overview', (route) => route.abort())
    await signInWith(page, 'ann-key')
    await page.getByRole('alert').getByText('The service does not answer.').waitFor()
    await page.unroute('**/operations/overview')
    await page.route('**/operations/overview', (route) => route.fulfill({ json: wellOverview() }))
    await page.getByText('No. All is well.').waitFor()
    expect(await page.getByText('The service does not answer.').count()).toBe(0)
  })

  test('takes an answer that breaks off for none', async () => {
    const { page } = await openConsole(browser, { overview: wellOverview() })
    await page.getByText('No. All is well.').waitFor()
    const url = await startBreakingOff()
    await page.route('**/operations/overview', (route) => route.continue({ url }))
    await page.getByRole('alert').getByText('The service does not answer.').waitFor()
  })

  test('stays signed in, and says so, where the service does not sign out', async () => {
    const { page } = await openConsole(browser, { overview: wellOverview() })
    await page.getByText('No. All is well.').waitFor()
    const session = '**/console/session'
    await page.route(session, (route) => route.abort())
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('status').getByText('Not signed out: The service does not answer.').waitFor()
    await page.unroute(session)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Key or token').waitFor()
    await page.reload()
    await page.getByLabel('Key or token').waitFor()
  })
})
