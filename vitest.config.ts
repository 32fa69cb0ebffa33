import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** The processes that tests start, and those that run tests, leave what Node compiled to the next. */
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('node_modules/.cache/node-compile', import.meta.url))

/** Files whose other side is a socket of their own making. */
const SOCKET_TESTS = [
  'test/integration/clouddc-*.test.ts',
  'simulator/test/socket-*.test.ts',
  'console/test/socket-*.test.ts',
]
/** Files that need Postgres and RabbitMQ. */
const SERVER_TESTS = [
  'test/integration/**/*.test.ts',
  'test/flow/**/*.test.ts',
  'console/test/flow-*.test.ts',
]
/** What needs no server; the tools' tests live with the tools. */
const UNIT_TESTS = [
  'test/unit/**/*.test.ts',
  'simulator/test/*.test.ts',
  'checker/test/*.test.ts',
  'console/test/*.test.ts',
]

/** Many files wait for a server to come back: four at a time keep two cores busy. */
const MAX_WORKERS = 4

/** Bounds on hangs, not on slow machines: no test is tried again, none tells by its speed whether it passes. */
const TIMEOUT_MS = 300_000

export default defineConfig({
  // The names under which the page is served files of packages.
  resolve: { alias: [{ find: /^\.\/lib\/(htm|preact|uplot)\.js$/, replacement: '$1' }] },
  test: {
    maxWorkers: MAX_WORKERS,
    // Nothing happens at import, so the files of one process may share what they import.
    isolate: false,
    testTimeout: TIMEOUT_MS,
    hookTimeout: TIMEOUT_MS,
    expect: { poll: { timeout: 60_000 } },
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: UNIT_TESTS, exclude: [...SOCKET_TESTS, ...SERVER_TESTS] },
      },
      {
        extends: true,
        test: { name: 'sockets', include: SOCKET_TESTS },
      },
      {
        // Postgres and RabbitMQ are started when at least one of these files is selected.
        extends: true,
        test: {
          name: 'servers',
          include: SERVER_TESTS,
          exclude: SOCKET_TESTS,
          globalSetup: 'test/setup/servers.ts',
        },
      },
    ],
  },
})
