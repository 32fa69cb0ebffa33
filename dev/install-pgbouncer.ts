// Installs pgbouncer where that is possible. Only its own tests need it, so a machine without it is told and no more.
import { findPgbouncer } from './servers/local-pgbouncer.ts'
import { canInstallPackages, installPackage } from './servers/packages.ts'

if (findPgbouncer() === undefined && canInstallPackages()) {
  await installPackage('pgbouncer').catch((error: Error) => console.log(error.message))
}
if (findPgbouncer() === undefined) {
  console.log('pgbouncer is not installed (apt-get install pgbouncer): the tests behind it are skipped')
}
