import { findChromium } from './servers/local-chromium.ts'
import { installUnlessThere } from './servers/packages.ts'

await installUnlessThere('chromium', {
  found: findChromium,
  without: 'the tests of the console are skipped',
})
