import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CredentialEffect } from '../../src/budget/apply-credential-results.sql.ts'
import { type CallResult, NOT_SENDABLE } from '../../src/budget/call-effect.ts'
import {
  credentialEffect,
  newsOfCreating,
  newsOfReading,
  oneEffectPerCredential,
} from '../../src/budget/credential-effect.ts'
import { LOCK_MS } from '../../src/clouddc/auth/locks.ts'
import {
  CloudDcAccessError,
  CloudDcNotSentError,
  CloudDcRefusedError,
  CloudDcThrottledError,
  CloudDcUnreachableError,
} from '../../src/clouddc/errors.ts'

const notCreated = (
  reason: Extract<CallResult, { class: 'not_created' }>['reason'],
  code = 'iMetal.0001',
): CallResult => ({ class: 'not_created', reason, code, retryAfterMs: null })

describe('what a creating call says of its credential', () => {
  test.each<[string, CallResult, string]>([
    ['created', { class: 'created' }, 'accepted'],
    ['refused by CloudDC itself', notCreated('refused'), 'accepted'],
    ['without permission for its project', notCreated('forbidden'), 'accepted'],
    ['named others', { class: 'unknown', reason: 'broken_promise' }, 'accepted'],
    ['not answered', { class: 'unknown', reason: 'timeout' }, 'silent'],
    ['throttled', notCreated('throttled'), 'silent'],
    ['at the wrong address', notCreated('misconfigured'), 'silent'],
    [
      'without a credential, or a project refused with a token of its own',
      notCreated('unauthorized'),
      'silent',
    ],
    ['not connected', notCreated('unreachable'), 'silent'],
    ['not sent', notCreated('not_sent'), 'unused'],
    ['not sendable', notCreated('refused', NOT_SENDABLE), 'unused'],
  ])('%s', (_, outcome, kind) => {
    expect(newsOfCreating(outcome)).toEqual({ kind })
  })

  test('a refusal for all projects', () => {
    const outcome = { ...notCreated('unauthorized'), credentialFault: 'clock' as const }
    expect(newsOfCreating(outcome)).toEqual({ kind: 'refused', fault: 'clock' })
  })
})

test('what a reading call says of its credential', () => {
  expect(newsOfReading(null)).toEqual({ kind: 'accepted' })
  expect(newsOfReading(new CloudDcRefusedError('no such instance'))).toEqual({ kind: 'accepted' })
  expect(newsOfReading(new CloudDcAccessError('', 'forbidden'))).toEqual({ kind: 'accepted' })
  expect(newsOfReading(new CloudDcAccessError('', 'unauthorized'))).toEqual({ kind: 'silent' })
  expect(newsOfReading(new CloudDcAccessError('', 'unauthorized', {}, 'locked'))).toEqual({
    kind: 'refused',
    fault: 'locked',
  })
  expect(newsOfReading(new CloudDcNotSentError(''))).toEqual({ kind: 'unused' })
  expect(newsOfReading(new CloudDcThrottledError(''))).toEqual({ kind: 'silent' })
  expect(newsOfReading(new CloudDcUnreachableError(''))).toEqual({ kind: 'silent' })
  expect(newsOfReading(new Error('the database'))).toEqual({ kind: 'silent' })
})

describe('what the news mean for the credential', () => {
  const paid = (credentialProbing: boolean | null) => ({
    credentialId: 'key',
    credentialProbing,
    payment: 'p',
  })

  test('a refusal closes it, a locked key for as long as the lock', () => {
    for (const probing of [null, false, true]) {
      expect(credentialEffect({ kind: 'refused', fault: 'expired' }, paid(probing))).toMatchObject({
        effect: 'trouble',
        leastMs: null,
      })
      expect(credentialEffect({ kind: 'refused', fault: 'locked' }, paid(probing))).toMatchObject({
        effect: 'trouble',
        leastMs: LOCK_MS,
      })
    }
  })

  test.each([
    ['expired', 0],
    ['clock', 0],
    ['unknown_key', 1],
    ['wrong_signature', 1],
  ] as const)('%s: in a row it locks a key: %s', (fault, refusals) => {
    expect(credentialEffect({ kind: 'refused', fault }, paid(true))).toMatchObject({ refusals })
  })

  test('only a probe opens it, and only what holds calls back is told of one that was not made', () => {
    const effectOf = (kind: 'accepted' | 'unused' | 'silent', probing: boolean | null) =>
      credentialEffect({ kind }, paid(probing))?.effect
    expect([null, false, true].map((probing) => effectOf('accepted', probing))).toEqual([
      undefined,
      undefined,
      'clear',
    ])
    expect([null, false, true].map((probing) => effectOf('unused', probing))).toEqual([
      undefined,
      'unused',
      'unused',
    ])
    expect([null, false, true].map((probing) => effectOf('silent', probing))).toEqual([
      undefined,
      undefined,
      'silent',
    ])
  })

  test('of effects at the same moment the gravest counts for each credential, and no token is lost', () => {
    const effects = fc.array(
      fc.record<CredentialEffect>({
        credentialId: fc.constantFrom('a', 'b', 'c'),
        effect: fc.constantFrom('clear', 'trouble', 'unused', 'silent'),
        leastMs: fc.constantFrom(null, 1000, LOCK_MS),
        refusals: fc.nat(3),
        refunds: fc.array(fc.uuid(), { maxLength: 2 }),
      }),
    )
    fc.assert(
      fc.property(effects, (told) => {
        const merged = oneEffectPerCredential(told)
        expect(merged.map(({ credentialId }) => credentialId).toSorted()).toEqual(
          [...new Set(told.map(({ credentialId }) => credentialId))].toSorted(),
        )
        expect(merged.flatMap(({ refunds }) => refunds).toSorted()).toEqual(
          told.flatMap(({ refunds }) => refunds).toSorted(),
        )
        const refusals = (of: readonly CredentialEffect[]) => of.reduce((sum, one) => sum + one.refusals, 0)
        expect(refusals(merged)).toBe(refusals(told))
        for (const one of merged) {
          const own = told.filter(({ credentialId }) => credentialId === one.credentialId)
          const troubles = own.filter(({ effect }) => effect === 'trouble')
          if (troubles.length === 0) expect(one.effect).not.toBe('trouble')
          else {
            expect(one.effect).toBe('trouble')
            expect(one.leastMs ?? 0).toBe(Math.max(...troubles.map(({ leastMs }) => leastMs ?? 0)))
          }
        }
      }),
    )
  })
})
