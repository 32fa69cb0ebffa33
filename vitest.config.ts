import { defineConfig } from 'vitest/config'

/** Files in test/integration whose other side is a socket of their own making. */
const SOCKET_TESTS = ['test/integration/clouddc-*.test.ts', 'test/integration/simulator-*.test.ts']

/** Two files at a time suit two cores, and leave Postgres and RabbitMQ room on more. */
const MAX_WORKERS = 2

/** A build machine may stall for longer than a test waits; what fails twice more is no stall. */
const RETRIES_ON_BUILD_MACHINES = 2

export default defineConfig({
  test: {
    maxWorkers: MAX_WORKERS,
    retry: process.env.CI ? RETRIES_ON_BUILD_MACHINES : 0,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'] },
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
          include: ['test/integration/**/*.test.ts', 'test/flow/**/*.test.ts'],
          exclude: SOCKET_TESTS,
          globalSetup: 'test/setup/servers.ts',
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
