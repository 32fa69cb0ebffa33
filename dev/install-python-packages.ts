import { findPythonWith, type PythonModule } from './python.ts'
import { installUnlessThere } from './servers/packages.ts'

// What the Python programs of docs/ need.
const modules: PythonModule[] = ['pika', 'jwcrypto']

for (const module of modules) {
  await installUnlessThere(`python3-${module}`, {
    found: () => findPythonWith(module),
    without: 'tests of Python programs are skipped',
  })
}
