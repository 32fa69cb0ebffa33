import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { meaningOf, refusesCredential } from '../../src/clouddc/refusal.ts'

const GATEWAY = ['APIGW.0101', 'APIG.0103', 'apigw.0201', 'APIGW.0501', 'APIGW.0611']
const OWN = ['iMetal.0001', 'iMetal.0101', 'imetal.0200']
/** What other hops say, in JSON or not at all. */
const STRANGE = [null, '', ' ']
/** Words of other services, or of hops. */
const FOREIGN = ['404', 'not_found', 'AS.0001', 'AS0001', 'IMS.0027', 'XAPIGW.0101x', 'NoiMetal']
const CREDENTIAL = ['APIGW.0301', 'APIGW.0307', 'APIG.0301', 'apig.0307']

const codes = fc.oneof(
  fc.constantFrom(...GATEWAY, ...OWN, ...FOREIGN, ...CREDENTIAL, ...STRANGE, 'APIGW.0613', 'APIGW.0308'),
  fc.option(fc.string()),
)
const answers = fc.record({ status: fc.integer({ min: 100, max: 999 }), code: codes })

const no = (reason: string) => ({ done: false, reason })
const unknown = (closes: string | null = null) => ({ done: 'unknown', closes })

/** Statuses, codes, and what they mean: the table of decision 7. */
const TABLE: [statuses: number[], codes: (string | null)[], meaning: object][] = [
  [[100, 103, 200, 202, 204, 299], [...GATEWAY, ...OWN, ...FOREIGN, ...STRANGE], unknown()],
  [
    [300, 301, 302, 303, 304, 307, 308],
    [...GATEWAY, ...OWN, ...FOREIGN, ...STRANGE],
    unknown('misconfigured'),
  ],
  [[408, 499], [...GATEWAY, ...OWN, ...FOREIGN, ...STRANGE, ...CREDENTIAL], unknown()],
  [[401], [...GATEWAY, ...OWN, ...FOREIGN, ...STRANGE, ...CREDENTIAL], no('unauthorized')],
  [[400, 403, 404, 405, 409, 413, 418, 429, 494], CREDENTIAL, no('unauthorized')],
  [[403], [...GATEWAY, ...OWN, ...FOREIGN, ...STRANGE, 'APIGW.0302', 'iMetal.0004'], no('forbidden')],
  [[429], [...GATEWAY, ...OWN, ...FOREIGN, ...STRANGE, 'APIGW.0308', 'iMetal.0005'], no('throttled')],
  [[400, 409, 413, 415, 422], [...OWN, ...FOREIGN], no('refused')],
  [[400, 409, 413, 415, 422], [...GATEWAY, ...STRANGE], no('misconfigured')],
  [[404, 405, 407, 414, 421, 426, 431, 494], OWN, no('refused')],
  [[404, 405, 407, 414, 421, 426, 431, 494], [...GATEWAY, ...STRANGE, ...FOREIGN], no('misconfigured')],
  [[402, 406, 410, 418, 423, 451], [...OWN, ...FOREIGN, ...STRANGE], unknown()],
  [[402, 406, 410, 418, 423, 451], GATEWAY, unknown('misconfigured')],
  [[500, 502, 503, 504, 599], [...OWN, ...FOREIGN, ...STRANGE], unknown()],
  [[500, 501, 505], [...GATEWAY, 'APIGW.0601', 'APIGW.0613'], unknown('misconfigured')],
  [[502, 503, 504], [...GATEWAY, 'APIGW.0610', 'APIGW.0613'], unknown('upstream_unavailable')],
  [[600, 999], [...GATEWAY, ...OWN, ...FOREIGN, ...STRANGE], unknown()],
]

test.each(TABLE)('%j with %j', (statuses, said, meaning) => {
  for (const status of statuses) {
    for (const code of said) expect(meaningOf({ status, code }), `${status} ${code}`).toEqual(meaning)
  }
})

describe('any answer', () => {
  it("ends an order only by a 4xx with a code that is not the gateway's", () => {
    fc.assert(
      fc.property(answers, ({ status, code }) => {
        const meaning = meaningOf({ status, code })
        if (meaning.done !== false || meaning.reason !== 'refused') return
        expect(status).toBeGreaterThanOrEqual(400)
        expect(status).toBeLessThan(500)
        expect([401, 403, 408, 429, 499]).not.toContain(status)
        expect(code).toMatch(/\S/)
        expect(code).not.toMatch(/^APIGW?\./i)
      }),
    )
  })

  it('leaves the outcome open at every status that may follow a creation', () => {
    fc.assert(
      fc.property(answers, ({ status, code }) => {
        const open = status < 400 || status === 408 || status === 499 || status >= 500
        if (open) expect(meaningOf({ status, code }).done).toBe('unknown')
      }),
    )
  })

  it('refuses the credential by 401 or by its code, and then only', () => {
    fc.assert(
      fc.property(answers, ({ status, code }) => {
        const clientError = status >= 400 && status < 500 && status !== 408 && status !== 499
        const says = status === 401 || /^APIGW?\.030[17]$/i.test(code ?? '')
        expect(refusesCredential({ status, code })).toBe(clientError && says)
      }),
    )
  })
})
