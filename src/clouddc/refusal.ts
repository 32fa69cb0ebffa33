/** CloudDC, or what stands in front of it, refuses the service rather than what was asked for. */
export type AccessTrouble = 'unauthorized' | 'forbidden' | 'misconfigured'

/** Why nothing was done: `refused` is about what was asked for, in CloudDC's own words. */
export type RefusalReason = 'refused' | 'throttled' | AccessTrouble

/**
 * What an unsuccessful answer says. `done: false` is proof that nothing was done. Otherwise it may have been;
 * `closes` is then what other calls of the project would meet as well, null where nothing is known of them.
 */
export type RefusalMeaning =
  | { done: false; reason: RefusalReason }
  | { done: 'unknown'; closes: 'misconfigured' | 'upstream_unavailable' | null }

/** The gateway in either spelling. These codes are its own: CloudDC's answers pass through it with other codes. */
const GATEWAY_CODE = /^APIGW?\./i
/** CloudDC's own. */
const OWN_CODE = /^iMetal\./i
/** Any word of a service that CloudDC may pass on; `AS.0001` is what its own reference shows. */
const ANY_CODE = /\S/
/** The credential is wrong, expired, or of another region; with any status. */
const CREDENTIAL_CODE = /^APIGW?\.030[17]$/i

/** Client errors of a timeout; they prove nothing about what was done. */
const GAVE_UP: readonly number[] = [408, 499]
/** Statuses about the content of the call: with a code of a service they are its judgement. */
const OF_CONTENT: readonly number[] = [400, 409, 413, 415, 422]
/** Statuses about the way to CloudDC, unless CloudDC itself gives them. 431 and 494 mean the same. */
const OF_THE_WAY: readonly number[] = [404, 405, 407, 414, 421, 426, 431, 494]

/**
 * The one rule for every unsuccessful answer to every call: pure, total. Only an error code that is not the gateway's
 * makes it an answer about what was asked for. An answer that another order of the project would have met as well (a
 * wrong address, a proxy's page, a missing permission) is about the service. When in doubt whether anything was done:
 * unknown. That holds for every 5xx, whatever its code: a look is cheap, a second server is not.
 */
export function meaningOf({ status, code }: { status: number; code: string | null }): RefusalMeaning {
  const says = (pattern: RegExp) => code !== null && pattern.test(code)
  if (status >= 300 && status < 400) return unknown('misconfigured')
  if (status >= 500 && status < 600) {
    if (!says(GATEWAY_CODE)) return unknown(null)
    return unknown(status >= 502 && status <= 504 ? 'upstream_unavailable' : 'misconfigured')
  }
  if (status < 400 || status >= 500 || GAVE_UP.includes(status)) return unknown(null)
  if (status === 401 || says(CREDENTIAL_CODE)) return nothing('unauthorized')
  if (status === 403) return nothing('forbidden')
  if (status === 429) return nothing('throttled')
  if (OF_CONTENT.includes(status)) {
    return nothing(says(ANY_CODE) && !says(GATEWAY_CODE) ? 'refused' : 'misconfigured')
  }
  if (OF_THE_WAY.includes(status)) return nothing(says(OWN_CODE) ? 'refused' : 'misconfigured')
  return unknown(says(GATEWAY_CODE) ? 'misconfigured' : null)
}

/** Whether another credential is worth a look. */
export function refusesCredential(answer: { status: number; code: string | null }): boolean {
  const meaning = meaningOf(answer)
  return meaning.done === false && meaning.reason === 'unauthorized'
}

function nothing(reason: RefusalReason): RefusalMeaning {
  return { done: false, reason }
}

function unknown(closes: Extract<RefusalMeaning, { done: 'unknown' }>['closes']): RefusalMeaning {
  return { done: 'unknown', closes }
}
