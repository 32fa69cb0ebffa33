import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { onTestFinished } from 'vitest'
import { findChromium } from '../../dev/servers/local-chromium.ts'

const program = findChromium()

/** Whether this machine has a browser. */
export const hasBrowser = program !== undefined
/** For the names of tests that are skipped without one. */
export const BROWSER_REMEDY = hasBrowser ? '' : ' (skipped without a browser: apt-get install chromium)'

/** A browser that asks nobody for anything but the pages that it is led to. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: program ?? '',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

export interface OpenedPage {
  page: Page
  /** What went wrong in it: exceptions, refused scripts and styles, and every other error of its console. */
  faults: string[]
}

/** A window of its own, with cookies of its own, closed when the test ends. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<OpenedPage> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, ...options })
  onTestFinished(() => context.close())
  const page = await context.newPage()
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('console', (message) => {
    // An answer other than 2xx is the page's to show, and no fault of it.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
      faults.push(message.text())
  })
  return { page, faults }
}
