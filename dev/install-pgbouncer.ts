import { findPgbouncer } from './servers/local-pgbouncer.ts'
import { installUnlessThere } from './servers/packages.ts'

await installUnlessThere('pgbouncer', {
  found: findPgbouncer,
  without: 'the tests behind it are skipped',
})
