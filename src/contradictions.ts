/** The settings that can contradict each other, by their names in the environment. */
interface Settings {
  CLOUDDC_ACCESS_KEY: string | null
  CLOUDDC_AUTH_TOKEN: string | null
  CLOUDDC_SECRET_KEY: string | null
  CLOUDDC_SECURITY_TOKEN: string | null
  DIGEST_KEYS: readonly { key: Buffer }[]
  IDEMPOTENCY_DAYS: number
  POLL_MAX_MS: number
  POLL_MIN_MS: number
  RETENTION_DAYS: number
  SECRET_KEYS: readonly { key: Buffer }[]
}

/** Faults of two settings in combination. */
export function contradictions(settings: Settings): string[] {
  const faults: string[] = []
  if (settings.POLL_MIN_MS > settings.POLL_MAX_MS) faults.push('POLL_MIN_MS: must not be above POLL_MAX_MS')
  if (settings.RETENTION_DAYS > settings.IDEMPOTENCY_DAYS) {
    faults.push('RETENTION_DAYS: must not be above IDEMPOTENCY_DAYS')
  }
  const isSecretKey = ({ key }: { key: Buffer }) =>
    settings.SECRET_KEYS.some((other) => other.key.equals(key))
  if (settings.DIGEST_KEYS.some(isSecretKey)) faults.push('DIGEST_KEYS: must not have a key of SECRET_KEYS')
  const { CLOUDDC_ACCESS_KEY: accessKey, CLOUDDC_SECRET_KEY: secretKey } = settings
  if (accessKey !== null && secretKey === null)
    faults.push('CLOUDDC_SECRET_KEY: is required with an access key')
  if (accessKey === null && secretKey !== null)
    faults.push('CLOUDDC_ACCESS_KEY: is required with a secret key')
  if (accessKey === null && settings.CLOUDDC_SECURITY_TOKEN !== null)
    faults.push('CLOUDDC_SECURITY_TOKEN: belongs to an access key, and there is none')
  if (accessKey !== null && settings.CLOUDDC_AUTH_TOKEN !== null)
    faults.push('CLOUDDC_AUTH_TOKEN: must not be given together with an access key')
  return faults
}
