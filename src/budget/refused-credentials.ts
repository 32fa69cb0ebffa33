/** Which payments were made before it was known that their credential is refused. */
export interface RefusedCredentials {
  /** A call was refused. Resolve `told` when the credential's bucket knows of it, or will not. */
  refused(credentialId: string, told: Promise<unknown>): void
  /** Whether a call that was paid `ageMs` ago must not be made any more. */
  outdates(credentialId: string, ageMs: number): boolean
}

/**
 * Holds back the calls that were paid before their credential was refused, and have not been written: five refusals in a
 * row lock a key. What is paid once the bucket knows of the refusal is a probe.
 */
export function createRefusedCredentials(now: () => number = () => performance.now()): RefusedCredentials {
  /** By credential: when its bucket knew; infinite until then. */
  const since = new Map<string, number>()
  return {
    refused: (credentialId, told) => {
      since.set(credentialId, Number.POSITIVE_INFINITY)
      const know = () => since.set(credentialId, now())
      told.then(know, know)
    },
    outdates: (credentialId, ageMs) => now() - ageMs <= (since.get(credentialId) ?? Number.NEGATIVE_INFINITY),
  }
}
