// Installs what the Python programs of docs/ need where that is possible. Only their tests need it, so a machine without
// it is told and no more.
import { findPythonWith, type PythonModule } from './python.ts'
import { canInstallPackages, installPackage } from './servers/packages.ts'

const modules: PythonModule[] = ['pika', 'jwcrypto']

for (const module of modules) {
  if ((await findPythonWith(module)) === undefined && canInstallPackages())
    await installPackage(`python3-${module}`).catch((error: Error) => console.log(error.message))
  if ((await findPythonWith(module)) === undefined)
    console.log(
      `${module} is not installed (apt-get install python3-${module}): tests of Python programs are skipped`,
    )
}
