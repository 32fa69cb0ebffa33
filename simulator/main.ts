import { optionsFromEnv, type SimulatorOptions } from './options.ts'
import { createSimulator } from './simulator.ts'

/** `npm run simulator`: knobs from the environment, one line of JSON with both addresses, then it serves. */
const defaultPort = 9090
const configurationFault = 78

const { options, unknown } = optionsFromEnv(process.env)
if (unknown.length > 0) process.stderr.write(`not a knob of the simulator, ignored: ${unknown.join(', ')}\n`)
const simulator = await createSimulator({ port: defaultPort, ...options } satisfies SimulatorOptions).catch(
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(configurationFault)
  },
)
const { url, adminUrl, iamUrl, regionUrls } = simulator
const more = {
  ...(iamUrl === url ? {} : { iam_url: iamUrl }),
  ...(Object.keys(regionUrls).length === 1 ? {} : { region_urls: regionUrls }),
}
process.stdout.write(`${JSON.stringify({ url, admin_url: adminUrl, ...more })}\n`)

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(0))
