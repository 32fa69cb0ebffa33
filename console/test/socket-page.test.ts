import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EXAMPLES } from '../../src/api/examples.ts'
import { BROWSER_REMEDY, hasBrowser, startBrowser } from './browser.ts'
import { openConsole, signInWith } from './console-world.ts'
import { crowdedOverview, madeUpOverview, wellOverview } from './made-up-overview.ts'
import { takePicture } from './pictures.ts'

const QUESTIONS = [
  'Is anything broken?',
  'Is work flowing?',
  'Who waits, and for what?',
  'What of the call limits is used?',
  'What is uncertain, and what was found?',
  'What failed, and why?',
  'Are dead letters piling up?',
  'What did people change?',
]

/** What makes the page wider than its window; nothing where it is not. */
const overflow = (page: Page) =>
  page.evaluate(() => {
    const { clientWidth, scrollWidth } = document.documentElement
    if (scrollWidth <= clientWidth) return []
    const wide = [...document.querySelectorAll('body *')].filter(
      (element) =>
        element.getBoundingClientRect().right > clientWidth && element.closest('.scroller') === null,
    )
    return [`${scrollWidth - clientWidth} pixels`, ...wide.map(({ outerHTML }) => outerHTML.slice(0, 200))]
  })

describe.skipIf(!hasBrowser)(`the console${BROWSER_REMEDY}`, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await startBrowser()
  })
  afterAll(() => browser?.close())

  const part = (page: Page, name: string) => page.getByRole('region', { name })
  const isUp = (page: Page) => page.getByRole('heading', { name: 'Is anything broken?' }).waitFor()

  test('lets in by key, keeps signed in over a reload, and signs out', async () => {
    const { page, faults } = await openConsole(browser, { signIn: false })
    await page.getByRole('heading', { name: 'CloudDC provisioner' }).waitFor()
    await takePicture(page, 'sign-in')
    await signInWith(page, 'a-wrong-key')
    await page.getByRole('alert').getByText('not valid here').waitFor()
    await signInWith(page, 'ann-key')
    await isUp(page)
    await page.reload()
    await isUp(page)
    expect(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie])).toEqual([
      0,
      0,
      '',
    ])
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Key or token').waitFor()
    expect(faults).toEqual([])
  })

  test('shows those with fewer rights their projects', async () => {
    const { page, faults } = await openConsole(browser, { key: 'bob-key' })
    await page.getByRole('heading', { name: 'Your projects' }).waitFor()
    await page.getByRole('link', { name: 'p', exact: true }).click()
    await page.getByRole('heading', { name: 'Orders' }).waitFor()
    expect(await page.getByRole('button', { name: 'Pause…' }).count()).toBe(0)
    expect(faults).toEqual([])
  })

  test('asks for the overview by its tag, and draws it anew when it differs', async () => {
    const { page, world, faults } = await openConsole(browser, { overview: wellOverview() })
    await page.getByText('No. All is well.').waitFor()
    await expect.poll(() => world.answers.filter((status) => status === 304).length).toBeGreaterThan(1)
    expect(world.answers[0]).toBe(200)
    world.overview = madeUpOverview()
    world.version += 1
    await page.getByText('Yes: 1 thing is broken, 2 more to watch.').waitFor()
    expect(world.answers.filter((status) => status === 200)).toHaveLength(2)
    expect(faults).toEqual([])
  })

  test.each([false, true])('offers to remove a limit where one is set: %s', async (overridden) => {
    const { page } = await openConsole(browser)
    await page.route('**/v1/p/summary', (route) =>
      route.fulfill({
        json: { ...EXAMPLES.summary, bucket: { ...EXAMPLES.summary.bucket, overridden } },
      }),
    )
    await page.getByLabel('Project, or project / order').fill('p')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Limit…' }).click()
    await page.getByLabel('Calls per second').waitFor()
    expect(await page.getByRole('button', { name: 'Remove the limit instead…' }).count()).toBe(
      overridden ? 1 : 0,
    )
  })

  test.each(['light', 'dark'] as const)('has all answers on one screen, in %s', async (colorScheme) => {
    const { page, faults } = await openConsole(browser, { colorScheme })
    for (const question of QUESTIONS) {
      const place = await part(page, question).boundingBox()
      expect(place, question).not.toBeNull()
      expect((place?.y ?? 0) + (place?.height ?? 0), question).toBeLessThanOrEqual(1000)
    }
    expect(await overflow(page)).toEqual([])
    expect(faults).toEqual([])
  })

  test.each([360, 768, 1920])('fits a window of %i pixels, also with 1,000 projects', async (width) => {
    const { page, faults } = await openConsole(browser, {
      overview: crowdedOverview(),
      viewport: { width, height: 900 },
    })
    await isUp(page)
    expect(await overflow(page)).toEqual([])
    if (width === 360) await takePicture(page, 'narrow')
    for (const place of ['Waiting', 'Projects']) {
      await page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: place }).click()
      await page.getByRole('heading', { name: place, level: 1 }).waitFor()
      expect(await overflow(page), place).toEqual([])
    }
    expect(faults).toEqual([])
  })

  test('finds one of many projects', async () => {
    const { page } = await openConsole(browser, { overview: crowdedOverview() })
    await page.getByRole('link', { name: 'Projects', exact: true }).click()
    await page.getByLabel('Find a project').fill('project-77')
    await page.getByRole('rowheader', { name: 'project-77' }).waitFor()
    await expect.poll(() => page.getByRole('rowheader').count()).toBe(1)
    expect(new URL(page.url()).hash).toBe('#/projects?search=project-77')
  })

  test('keeps what is typed into a filter while what is shown changes', async () => {
    const { page } = await openConsole(browser)
    await page.getByLabel('Project, or project / order').fill('p')
    await page.keyboard.press('Enter')
    await page.getByText('No order is like that.').waitFor()
    await page.getByLabel('Error code').fill('iMetal.0001')
    await page.getByLabel('State').selectOption('failed or expired')
    await page.route('**/v1/p/provision-requests?*', (route) => route.fulfill({ json: EXAMPLES.list }))
    await page.getByRole('rowheader').first().waitFor()
    await page.getByRole('button', { name: 'Filter' }).click()
    await expect
      .poll(() => new URL(page.url()).hash)
      .toBe('#/project/p?state=failed%2Cexpired&error_code=iMetal.0001')
    expect(await page.getByLabel('Error code').inputValue()).toBe('iMetal.0001')
    await page.getByRole('link', { name: 'All', exact: true }).click()
    await expect.poll(() => page.getByLabel('Error code').inputValue()).toBe('')
    expect(await page.getByLabel('State').inputValue()).toBe('')
  })

  test('pauses all projects, by keyboard alone, with a reason and a confirmation', async () => {
    const { page, world, faults } = await openConsole(browser)
    await page.getByRole('button', { name: 'Pause all…' }).focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog', { name: 'Pause all projects' })
    await dialog.getByLabel(/Why/).focus()
    await page.keyboard.type('too short')
    await dialog.getByRole('button', { name: 'Continue' }).focus()
    await page.keyboard.press('Enter')
    // The browser itself refuses what is too short.
    expect(await dialog.getByRole('button', { name: 'Pause everything' }).count()).toBe(0)
    await dialog.getByLabel(/Why/).focus()
    await page.keyboard.type(', so a bit longer')
    await dialog.getByRole('button', { name: 'Continue' }).focus()
    await page.keyboard.press('Enter')
    await dialog.getByText('No order of any project is sent to CloudDC, until somebody changes it.').waitFor()
    await takePicture(page, 'confirm')
    expect(world.changes).toEqual([])
    await expect
      .poll(() =>
        dialog
          .getByRole('button', { name: 'Pause everything' })
          .evaluate((e) => e === document.activeElement),
      )
      .toBe(true)
    await page.keyboard.press('Enter')
    await page.getByRole('status').getByText('Done: Pause all projects.').waitFor()
    expect(world.changes).toEqual([
      { method: 'POST', path: '/operations/pause', body: { reason: 'too short, so a bit longer' } },
    ])
    // One goes on where one was.
    expect(await page.evaluate(() => document.activeElement?.textContent.trim())).toBe('Pause all…')
    expect(faults).toEqual([])
  })

  test('leaves everything as it is on Escape, and says why something was refused', async () => {
    const { page, world } = await openConsole(browser)
    await page.getByRole('button', { name: 'Set the limit of project-1' }).click()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    world.refusal = 'a project that is not allowed to order has no limit'
    await page.getByRole('button', { name: 'Set the limit of project-1' }).click()
    await page.getByLabel('Calls per second').fill('2')
    await page.getByLabel('Calls at once').fill('4')
    await page.getByLabel(/Why/).fill('CloudDC asked us to slow down')
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByText('project-1 may then make 2 calls per second, 4 at once').waitFor()
    await page.getByRole('button', { name: 'Set the limit', exact: true }).click()
    await page.getByRole('alert').getByText(`Not done: ${world.refusal}`).waitFor()
    expect(await page.getByLabel(/Why/).inputValue()).toBe('CloudDC asked us to slow down')
    expect(world.changes).toEqual([
      {
        method: 'PUT',
        path: '/operations/projects/project-1/limit',
        body: { per_second: 2, burst: 4, reason: 'CloudDC asked us to slow down' },
      },
    ])
  })

  test('has one heading, landmarks, and tables that can be walked', async () => {
    const { page } = await openConsole(browser)
    await isUp(page)
    for (const role of ['banner', 'main', 'search'] as const)
      expect(await page.getByRole(role).count(), role).toBe(1)
    expect(await page.getByRole('heading', { level: 1 }).count()).toBe(1)
    const table = part(page, 'Who waits, and for what?').getByRole('table')
    expect(await table.getByRole('columnheader').allInnerTexts()).toEqual([
      ...['Project', 'Orders', 'Waits for', 'Next try', 'Longest'],
    ])
    expect(await table.getByRole('rowheader').count()).toBeGreaterThan(0)
    await page.keyboard.press('Tab')
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('To the content')
    await page.keyboard.press('Enter')
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('main')
  })

  test('leads from a trouble to what is behind it', async () => {
    const { page } = await openConsole(browser)
    await page.getByRole('link', { name: /1 call has an unknown outcome/ }).click()
    await expect
      .poll(() => page.evaluate(() => document.activeElement?.textContent))
      .toBe('What is uncertain, and what was found?')
  })
})
