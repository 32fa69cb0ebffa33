import fc from 'fast-check'
import { expect, it, test } from 'vitest'
import { cleanText } from '../../src/clouddc/clean-text.ts'
import { credentialFault, mayAnotherHelp } from '../../src/clouddc/unauthorized.ts'

const CANONICAL =
  'verify aksk signature fail, canonical request: POST\n/v1/p/instances/batch-create/\n\nx-security-token:Canary-1\n\nhost'

test.each([
  ['Incorrect IAM authentication information: token expires, expires at 2026', 'expired'],
  ['Incorrect IAM authentication information: decrypt token fail', 'expired'],
  [null, 'expired'],
  ['', 'expired'],
  [
    'Incorrect IAM authentication information: calc aksk signature fail:signature expired, signature time:20261123T120000Z,server time:20261123T130000Z',
    'clock',
  ],
  ['Incorrect IAM authentication information: verify aksk signature fail', 'wrong_signature'],
  [CANONICAL, 'wrong_signature'],
  [
    'verify aksk signature fail, canonical request:GET|/v1/locked/|limit=10|host:a|x-sdk-date:20261123T120000Z|',
    'wrong_signature',
  ],
  ['x-sdk-date is not within 15 minutes', 'clock'],
  ['Incorrect IAM authentication information: ak QTWAOYTT not exist', 'unknown_key'],
  ['Incorrect IAM authentication information: Get secretKey failed', 'unknown_key'],
  ['Incorrect IAM authentication information: AK access failed to reach the limit,forbidden', 'locked'],
] as const)('%j means %s', (words, fault) => {
  expect(credentialFault(words)).toBe(fault)
})

it('has a meaning for any words', () => {
  const faults = ['expired', 'clock', 'wrong_signature', 'unknown_key', 'locked']
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (words) => {
      expect(faults).toContain(credentialFault(words))
    }),
  )
})

test.each([
  ['expired', true],
  ['unknown_key', true],
  ['wrong_signature', true],
  ['clock', false],
  ['locked', false],
] as const)('another credential may help when it is %s: %j', (fault, helps) => {
  expect(mayAnotherHelp(fault)).toBe(helps)
})

it('of a quoted request nothing is kept, however it is spelt', () => {
  const request = ['POST', '/v1/p/instances/', 'limit=Canary-2', 'x-security-token:Canary-1', 'Canary-3']
  const separators = ['\n', '\\n', ' \\n ', '\r\n', '\\\\n']
  const openings = ['canonical request:', 'CanonicalRequest ', 'canonicalString=', '', 'string to sign: ']
  for (const separator of separators) {
    for (const opening of openings) {
      const text = cleanText(`verify aksk signature fail ${opening}${request.join(separator)}`, [])
      expect(text).not.toContain('Canary')
      expect(text).toContain('verify aksk signature fail')
    }
  }
})
