import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { envName, knobs, optionsFromEnv, resolveOptions } from '../options.ts'

describe('resolveOptions', () => {
  it('has a default for every knob', () => {
    expect(resolveOptions({})).toMatchObject({
      port: 0,
      serversPerProject: 1000,
      limiterKind: 'none',
      authTokens: [],
      faultErrorBefore: 0,
    })
  })

  it('takes a rate alone as a token bucket', () => {
    expect(resolveOptions({ limiterRate: 5 }).limiterKind).toBe('token_bucket')
    expect(resolveOptions({ limiterRate: 5, limiterKind: 'none' }).limiterKind).toBe('none')
  })

  it('moves the other end of a range when only one is given', () => {
    expect(resolveOptions({ bootMinMs: 9000 })).toMatchObject({ bootMinMs: 9000, bootMaxMs: 9000 })
    expect(resolveOptions({ bootMaxMs: 10 })).toMatchObject({ bootMinMs: 10, bootMaxMs: 10 })
    expect(resolveOptions({ bootMaxMs: 1 }, resolveOptions({ bootMinMs: 7 }))).toMatchObject({ bootMinMs: 1 })
    expect(() => resolveOptions({ bootMinMs: 2, bootMaxMs: 1 })).toThrow(
      'bootMinMs is greater than bootMaxMs',
    )
  })

  it('names every fault at once', () => {
    const options = { seed: 0.5, faultCutAfter: 2, bootMs: 1 }
    for (const name of ['seed', 'faultCutAfter', 'bootMs']) {
      expect(() => resolveOptions(options)).toThrow(name)
    }
  })
})

describe('optionsFromEnv', () => {
  it('reads each kind of knob', () => {
    const env = {
      SIM_PORT: '0',
      SIM_HOST: '0.0.0.0',
      SIM_BOOT_MIN_MS: '1.5',
      SIM_LIMITER_BURST: '3',
      SIM_RETRY_AFTER: 'on',
      SIM_LIMITER_ENFORCE: 'false',
      SIM_AUTH_TOKENS: 'one, two',
      SIM_FAULT_STATUSES: '500,503',
      SIM_SUBNETS: '{"subnet":"vpc"}',
      SIM_THROTTLE_FORM: 'plain',
      SIM_SEED: '',
      PATH: '/bin',
    }
    expect(optionsFromEnv(env)).toEqual({
      unknown: [],
      options: {
        port: 0,
        host: '0.0.0.0',
        bootMinMs: 1.5,
        limiterBurst: 3,
        retryAfter: true,
        limiterEnforce: false,
        authTokens: ['one', 'two'],
        faultStatuses: [500, 503],
        subnets: { subnet: 'vpc' },
        throttleForm: 'plain',
      },
    })
  })

  it('leaves what does not fit to be refused', () => {
    for (const env of [
      { SIM_PORT: 'x' },
      { SIM_RETRY_AFTER: 'yes' },
      { SIM_SUBNETS: '{' },
      { SIM_PORT: ' ' },
    ]) {
      expect(() => resolveOptions(optionsFromEnv(env).options)).toThrow('simulator options')
    }
  })

  it('names variables that are no knob', () => {
    expect(optionsFromEnv({ SIM_BOOT_MS: '1' }).unknown).toEqual(['SIM_BOOT_MS'])
  })
})

describe('the README', () => {
  it.each(knobs.map(envName))('explains %s', (name) => {
    expect(readFileSync('simulator/README.md', 'utf8')).toContain(`\`${name}\``)
  })
})
