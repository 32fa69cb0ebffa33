import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'

/** Where pictures go: into the documents where that is asked for (`npm run pictures`), else where nobody looks. */
const FOLDER = process.env.CONSOLE_PICTURES ?? join(tmpdir(), 'console-pictures')

/** A picture of what the window shows, for docs/console.md. */
export async function takePicture(page: Page, name: string): Promise<void> {
  mkdirSync(FOLDER, { recursive: true })
  await page.screenshot({ path: join(FOLDER, `${name}.png`), animations: 'disabled' })
}
