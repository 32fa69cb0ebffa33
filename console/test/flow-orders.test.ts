import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppWorld, createAppWorld, type RequestKey } from '../../test/support/app-world.ts'
import { BROWSER_REMEDY, hasBrowser, openPage, startBrowser } from './browser.ts'
import { takePicture } from './pictures.ts'

const REASON = 'the region is being mended, see INC-341'

describe.skipIf(!hasBrowser)(`orders in the console${BROWSER_REMEDY}`, () => {
  let world: AppWorld
  let browser: Browser
  beforeAll(async () => {
    world = await createAppWorld()
    await world.startApp()
    browser = await startBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await world?.close()
  })

  const open = async (hash = '') => {
    const opened = await openPage(browser)
    await opened.page.goto(`${world.url()}/console/${hash}`)
    return opened
  }
  const addressOf = ({ projectId, requestId }: RequestKey) => `#/project/${projectId}/request/${requestId}`

  /** Goes through the dialog of an action. */
  const confirm = async (page: Page, verb: string) => {
    const dialog = page.getByRole('dialog')
    const reason = dialog.getByLabel(/Why/)
    if ((await reason.count()) > 0) await reason.fill(REASON)
    await dialog.getByRole('button', { name: 'Continue' }).click()
    await dialog.getByRole('button', { name: verb, exact: true }).click()
  }

  test('are found, and told as what happened, with the events that were published', async () => {
    const key = await world.order({ project_id: world.newProject(), spec: { min_count: 2 } })
    const published = (await world.allEventsOf(key)).map(({ kind }) => kind)
    const { page, faults } = await open()
    await page.getByLabel('Project, or project / order').fill(key.projectId)
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: key.requestId }).click()
    await page.getByRole('heading', { name: 'running', exact: true }).waitFor()
    await page.getByRole('heading', { name: 'What happened' }).waitFor()
    const told = page.getByRole('listitem').locator('.events code')
    await expect.poll(() => told.allInnerTexts()).toEqual(published)
    await takePicture(page, 'order')
    expect(faults).toEqual([])
  })

  test('are filtered, in an address that can be passed on', async () => {
    const project_id = world.newProject()
    world.simulator.faults.add({
      kind: 'error_before',
      operation: 'RunInstances',
      project: project_id,
      status: 400,
      body: { error_code: 'iMetal.0001', error_msg: 'The image is of no use.' },
    })
    const failed = await world.order({ project_id })
    await world.ended(failed)
    const well = await world.order({ project_id })
    await world.ended(well)
    const { page, faults } = await open(`#/project/${project_id}`)
    await expect
      .poll(() => page.getByRole('rowheader').allInnerTexts())
      .toEqual([well.requestId, failed.requestId])
    await page.getByLabel('Error code').fill('iMetal.0001')
    await page.getByRole('button', { name: 'Filter' }).click()
    await expect.poll(() => page.getByRole('rowheader').allInnerTexts()).toEqual([failed.requestId])
    await page.getByText('The image is of no use.').waitFor()
    const { page: other } = await open(new URL(page.url()).hash)
    await expect.poll(() => other.getByRole('rowheader').allInnerTexts()).toEqual([failed.requestId])
    await page.goBack()
    await expect.poll(() => page.getByRole('rowheader').count()).toBe(2)
    expect(faults).toEqual([])
  })

  test('wait while their project is paused, are cancelled, and go on when it is resumed', async () => {
    const project_id = world.newProject()
    const { page, faults } = await open(`#/project/${project_id}`)
    await page.getByRole('button', { name: 'Pause…' }).click()
    await confirm(page, 'Pause')
    await page.getByText(`Done: Pause ${project_id}.`).waitFor()
    const [given_up, patient] = [await world.order({ project_id }), await world.order({ project_id })]
    await page.getByText('waits for the end of a pause').first().waitFor()
    await takePicture(page, 'project')

    await page.getByRole('link', { name: given_up.requestId, exact: true }).first().click()
    await page.getByRole('button', { name: 'Cancel…' }).click()
    await confirm(page, 'Cancel the order')
    await page.getByRole('heading', { name: 'cancelled' }).waitFor()
    expect((await world.statusOf(patient)).state).toBe('queued')

    await page.goBack()
    await page.getByRole('button', { name: 'Resume…' }).click()
    await confirm(page, 'Resume')
    expect((await world.ended(patient)).state).toBe('running')
    expect((await world.statusOf(given_up)).state).toBe('cancelled')

    await page.getByRole('link', { name: 'Changes' }).click()
    const ofProject = page.getByRole('row').filter({ hasText: project_id })
    await expect.poll(() => ofProject.count()).toBe(2)
    await expect.poll(() => ofProject.first().innerText()).toContain(REASON)
    await takePicture(page, 'changes')
    expect(faults).toEqual([])
  })

  test('of unknown outcome are resolved by hand, but not against the evidence', async () => {
    const project_id = world.newProject()
    const { faults: cloud } = world.simulator
    cloud.add({ kind: 'cut_after', operation: 'RunInstances', project: project_id })
    const unlisted = cloud.add({
      ...{ kind: 'error_before', operation: 'ListInstances', project: project_id, count: null },
      ...{ status: 503, body: '<html>', content_type: 'text/html' },
    })
    const key = await world.order({ project_id })
    await world.statusWhen(key, ({ state }) => expect(state).toBe('uncertain'))
    const { page, faults } = await open(addressOf(key))
    await page.getByText('outcome unknown: it is looked for').waitFor()

    await page.getByRole('button', { name: 'Adopt servers…' }).click()
    await page.getByLabel(/Ids of the instances/).fill('one-id another-id')
    await confirm(page, 'Adopt')
    await page.getByRole('alert').getByText('the request asks for 1 instances at most').waitFor()
    const [creation] = world.creations(project_id)
    await page.getByLabel(/Ids of the instances/).fill(creation?.instance_ids.join(' ') ?? '')
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByRole('button', { name: 'Adopt', exact: true }).click()
    await page.getByText(/^Done: Adopt servers/).waitFor()
    cloud.remove(unlisted.id)
    expect(await world.ended(key)).toMatchObject({ state: 'running', attempts: 1 })
    expect(world.creations(project_id)).toHaveLength(1)
    await page.getByRole('heading', { name: 'running', exact: true }).waitFor()
    expect(faults).toEqual([])
  })

  test('are not thought to be there when they are not', async () => {
    const { page } = await open('#/project/nobody/request/nothing')
    await page.getByRole('alert').getByText('project nobody has no provision request nothing').waitFor()
    await page.goto(`${world.url()}/console/#/a/place/that/is/none`)
    await page.getByRole('heading', { name: 'There is nothing here' }).waitFor()
  })
})
