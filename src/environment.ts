import { readFileSync } from 'node:fs'

/** The environment of a process, where everything is text. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The names by which the vendor's SDKs know settings of ours. */
const NAMES_OF_THE_SDK: Readonly<Record<string, string>> = {
  CLOUDDC_ACCESS_KEY: 'HUAWEICLOUD_SDK_AK',
  CLOUDDC_SECRET_KEY: 'HUAWEICLOUD_SDK_SK',
  CLOUDDC_SECURITY_TOKEN: 'HUAWEICLOUD_SDK_SECURITY_TOKEN',
}
const IAM_OF_THE_SDK = 'HUAWEICLOUD_SDK_IAM_ENDPOINT'
/** Where the environment says by itself who calls, what it has for an SDK does not count. */
const OWN_CREDENTIALS = [...Object.keys(NAMES_OF_THE_SDK), 'CLOUDDC_AUTH_TOKEN', 'CLOUDDC_CREDENTIALS']

/** The value of a variable; an empty one counts as absent. */
export function present(env: Environment, name: string): string | undefined {
  const value = env[name]
  return value === undefined || value === '' ? undefined : value
}

/** The environment with the settings of the vendor's SDKs under our names, where ours are absent. */
export function withNamesOfTheSdk(env: Environment): Environment {
  const own = OWN_CREDENTIALS.some((name) => present(env, name) ?? present(env, `${name}_FILE`))
  const keys = own
    ? []
    : Object.entries(NAMES_OF_THE_SDK).map(([name, theirs]) => [name, present(env, theirs)] as const)
  const iam = present(env, 'IAM_ENDPOINT') ?? present(env, IAM_OF_THE_SDK)
  return { ...env, IAM_ENDPOINT: iam, ...Object.fromEntries(keys) }
}

/** The values of settings by their names, those of `secrets` also from the files that NAME_FILE names. */
export function valuesOf(
  env: Environment,
  names: readonly string[],
  secrets: readonly string[],
): { values: Record<string, string | undefined>; faults: string[] } {
  const faults: string[] = []
  const values: Record<string, string | undefined> = {}
  for (const name of names) values[name] = present(env, name)
  for (const name of secrets) {
    const path = present(env, `${name}_FILE`)
    if (path === undefined) continue
    if (values[name] !== undefined) {
      faults.push(`${name}: given twice, as ${name} and as ${name}_FILE`)
      continue
    }
    try {
      values[name] = readFileSync(path, 'utf8').trim()
      if (values[name] === '') faults.push(`${name}_FILE: ${path} is empty`)
    } catch (error) {
      faults.push(
        `${name}_FILE: cannot read ${path} (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`,
      )
    }
  }
  return { values, faults }
}
