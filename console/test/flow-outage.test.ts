import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppWorld, createAppWorld } from '../../test/support/app-world.ts'
import { BROWSER_REMEDY, hasBrowser, openPage, startBrowser } from './browser.ts'
import { takePicture } from './pictures.ts'

/** The window that must hold all answers. */
const SCREEN = { width: 1440, height: 1000 }

/**
 * An outage with a bit of everything: one project's permission is withdrawn, answers of another are lost while CloudDC does
 * not list its servers, a third orders with an image that does not exist, somebody sends what is no order, and somebody
 * else has paused a project. The rest goes on.
 */
async function bringAbout(world: AppWorld): Promise<void> {
  const { faults } = world.simulator
  const always = { operation: 'RunInstances', kind: 'error_before', count: null } as const
  const denied = { error_code: 'iMetal.0004', error_msg: 'Insufficient permissions' }
  const noImage = { error_code: 'iMetal.0001', error_msg: 'The image does not exist.' }
  const silence = { status: 503, body: '<html>', content_type: 'text/html' }
  faults.add({ ...always, project: 'denied', status: 403, body: denied })
  faults.add({ ...always, project: 'no-image', status: 400, body: noImage })
  faults.add({ kind: 'cut_after', operation: 'RunInstances', project: 'lost' })
  faults.add({ ...always, operation: 'ListInstances', project: 'lost', ...silence })

  const well = await world.order({ project_id: 'well' })
  const failed = await world.order({ project_id: 'no-image' })
  const lost = await world.order({ project_id: 'lost' })
  const waits = await world.order({ project_id: 'denied' })
  await world.publish({ project_id: 'careless', request_id: 'typo', specs: {} })
  await world.ended(well)
  await world.ended(failed)
  await world.statusWhen(lost, ({ state }) => expect(state).toBe('uncertain'))
  await world.statusWhen(waits, ({ waiting }) => expect(waiting?.reason).toBe('forbidden'))
  const reply = await fetch(`${world.url()}/operations/projects/well/pause`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'maintenance of the region, see INC-341' }),
  })
  expect(reply.status).toBe(200)
}

/** What each part has to say, in words that need no document. */
const ANSWERS: readonly (readonly [question: string, ...answers: RegExp[]])[] = [
  ['Is anything broken?', /^Yes: /m, /denied/],
  ['Is work flowing?', /Orders accepted/, /Orders sent to CloudDC/, /1 uncertain/],
  ['Who waits, and for what?', /denied\s+1\s+a permission in CloudDC/],
  ['What of the call limits is used?', /denied[\s\S]*closed: CloudDC refuses the permission/, /paused/],
  ['What is uncertain, and what was found?', /1 call of unknown outcome/, /lost \/ order-\d+/, /0 servers/],
  ['What failed, and why?', /iMetal\.0001\s+1/, /The image does not exist\./, /no-image/],
  ['Are dead letters piling up?', /1 letter waits/, /not a valid order/],
  ['What did people change?', /paused\s+well/, /maintenance of the region, see INC-341/],
]

describe.skipIf(!hasBrowser)(`an outage in the console${BROWSER_REMEDY}`, () => {
  let world: AppWorld
  let browser: Browser
  beforeAll(async () => {
    // Nobody takes the dead letters from their queue.
    world = await createAppWorld({ consumers: false })
    await world.startApp()
    browser = await startBrowser()
    await bringAbout(world)
  })
  afterAll(async () => {
    await browser?.close()
    await world?.close()
  })

  const open = async (colorScheme: 'light' | 'dark') => {
    const opened = await openPage(browser, { viewport: SCREEN, colorScheme })
    await opened.page.goto(`${world.url()}/console`)
    return opened
  }
  const part = (page: Page, name: string) => page.getByRole('region', { name })

  test.each(['light', 'dark'] as const)(
    'is told on one screen, eight questions with their answers, in %s',
    async (scheme) => {
      const { page, faults } = await open(scheme)
      for (const [question, ...answers] of ANSWERS) {
        for (const answer of answers)
          await expect.poll(() => part(page, question).innerText(), { message: question }).toMatch(answer)
      }
      for (const [question] of ANSWERS) {
        const { y, height } = (await part(page, question).boundingBox()) ?? {
          y: 0,
          height: Number.POSITIVE_INFINITY,
        }
        expect(y + height, question).toBeLessThanOrEqual(SCREEN.height)
      }
      await takePicture(page, `outage-${scheme}`)
      expect(faults).toEqual([])
    },
  )

  test('leads from each answer to the orders behind it', async () => {
    const { page, faults } = await open('light')
    const steps = [
      ['Who waits, and for what?', 'denied', 'waits for a permission in CloudDC'],
      ['What is uncertain, and what was found?', /^lost \//, 'outcome unknown: it is looked for'],
      ['What failed, and why?', 'The image does not exist.', 'dispatching → failed'],
      ['Are dead letters piling up?', 'not a valid order', 'careless / typo'],
    ] as const
    for (const [question, link, found] of steps) {
      await part(page, question).getByRole('link', { name: link }).first().click()
      await page.getByText(found).first().waitFor()
      await page.goBack()
    }
    for (const place of ['Waiting', 'Projects', 'Uncertain', 'Failures', 'Dead letters', 'Changes']) {
      await page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: place }).click()
      await page.getByRole('table').first().waitFor()
      expect(await page.getByRole('alert').count(), place).toBe(0)
    }
    expect(faults).toEqual([])
  })

  test('is mended: dead letters are replayed, and the run is followed to its end', async () => {
    const { page, faults } = await open('light')
    await page.getByRole('button', { name: 'Replay invalid_request' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel(/Why/).fill('to see that it is rejected again')
    await dialog.getByRole('button', { name: 'Continue' }).click()
    await dialog.getByText('Up to 1 letters with the code invalid_request').waitFor()
    await dialog.getByRole('button', { name: 'Replay', exact: true }).click()
    await page.getByRole('heading', { name: 'Replay of dead letters' }).waitFor()
    await page.getByRole('status').getByText('done', { exact: true }).waitFor()
    await page.getByText('1 of 1 looked at').waitFor()
    expect(faults).toEqual([])
  })
})
