import { describe, expect, it } from 'vitest'
import { parseBrokerUrl } from '../../src/amqp/broker-address.ts'

const parse = (url: string) => parseBrokerUrl(url, { heartbeatSeconds: 10 })

describe('a broker URL', () => {
  it('is split into credentials and an address without them', () => {
    expect(parse('amqps://me:p%40ss%C3%A9@broker.example:5671/orders?frameMax=8192')).toEqual({
      url: 'amqps://broker.example:5671/orders?frameMax=8192&heartbeat=10',
      username: 'me',
      password: 'p@ssé',
      display: 'amqps://broker.example:5671/orders',
      tls: { cacertfile: null, certfile: null, keyfile: null, server_name_indication: null },
    })
  })

  it('keeps an escaped virtual host and a heartbeat of its own', () => {
    expect(parse('amqp://localhost/%2Fa%2Fb?heartbeat=3').url).toBe('amqp://localhost/%2Fa%2Fb?heartbeat=3')
  })

  it('means guest when it names nobody', () => {
    expect(parse('amqp://localhost')).toMatchObject({ username: 'guest', password: 'guest' })
  })

  it.each(['amqp//me:hunter2@x', 'http://me:hunter2@x', 'amqp://me:hunter2%zz@x'])(
    'that is wrong is refused without showing it: %s',
    (url) => {
      let thrown: unknown
      try {
        parse(url)
      } catch (error) {
        thrown = error
      }
      expect(thrown).toBeInstanceOf(Error)
      expect(
        JSON.stringify({ ...(thrown as Error), message: String(thrown), stack: (thrown as Error).stack }),
      ).not.toContain('hunter2')
      expect((thrown as Error).cause).toBeUndefined()
    },
  )
})
