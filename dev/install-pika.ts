// Installs Python's client for RabbitMQ where that is possible. Only the tests of the Python programs in
// docs/integrating.md need it, so a machine without it is told and no more.
import { findPythonWithPika } from './python.ts'
import { canInstallPackages, installPackage } from './servers/packages.ts'

if ((await findPythonWithPika()) === undefined && canInstallPackages()) {
  await installPackage('python3-pika').catch((error: Error) => console.log(error.message))
}
if ((await findPythonWithPika()) === undefined) {
  console.log(
    'pika is not installed (apt-get install python3-pika): the tests of Python programs are skipped',
  )
}
