// Installs Chromium where that is possible. Only the tests of the console need it, so a machine without it is told and no
// more.
import { findChromium } from './servers/local-chromium.ts'
import { canInstallPackages, installPackage } from './servers/packages.ts'

if (findChromium() === undefined && canInstallPackages()) {
  await installPackage('chromium').catch((error: Error) => console.log(error.message))
}
if (findChromium() === undefined) {
  console.log('Chromium is not installed (apt-get install chromium): the tests of the console are skipped')
}
