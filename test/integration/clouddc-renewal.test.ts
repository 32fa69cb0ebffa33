import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Credential } from '../../src/clouddc/auth/credentials.ts'
import { eventually } from '../support/eventually.ts'
import { createIamWorld, endsIn, headersFor, type IamWorld } from '../support/iam-world.ts'
import { answer, type Script } from '../support/scripted-clouddc.ts'

const PASSWORD: Credential = { kind: 'password', user: 'u', password: 'p', domain: 'acc' }
const DAY_MS = 86_400_000

let world: IamWorld

beforeEach(async () => {
  world = await createIamWorld()
})

afterEach(() => world.close())

/** IAM's answer with a token of this name, good for a day. */
const tokenOf =
  (name: string): Script =>
  (socket, arrival) => {
    const { project } = JSON.parse(arrival.body).auth.scope
    answer(
      201,
      { token: { expires_at: endsIn(86_400), project } },
      { 'X-Subject-Token': name },
    )(socket, arrival)
  }

it('after two thirds of its life calls go on with the old token until the new one is there', async () => {
  const auth = world.authOf({ main: PASSWORD })
  const used = async () => (await headersFor(auth))['X-Auth-Token']
  world.iam.setScript(tokenOf('first'))
  expect(await used()).toBe('first')
  world.clock.now = DAY_MS * 0.66
  expect(await used()).toBe('first')
  expect(world.iam.arrivals).toHaveLength(1)
  const held = Promise.withResolvers<() => void>()
  world.iam.setScript((socket, arrival) => held.resolve(() => tokenOf('second')(socket, arrival)))
  world.clock.now = DAY_MS * 0.71
  for (let call = 0; call < 20; call += 1) expect(await used()).toBe('first')
  const release = await held.promise
  expect(world.iam.arrivals).toHaveLength(2)
  release()
  await eventually(async () => expect(await used()).toBe('second'))
  expect(world.iam.arrivals).toHaveLength(2)
})

it('while IAM is down the token is used to its end, and IAM is not pressed', async () => {
  const auth = world.authOf({ main: PASSWORD })
  const used = async () => (await headersFor(auth))['X-Auth-Token']
  world.iam.setScript(tokenOf('first'))
  await used()
  world.iam.setScript(answer(503))
  world.clock.now = DAY_MS * 0.71
  expect(await used()).toBe('first')
  await eventually(() => expect(world.log()).toContain('cannot be fetched'))
  for (let call = 0; call < 20; call += 1) expect(await used()).toBe('first')
  expect(world.iam.arrivals).toHaveLength(2)
  world.clock.now = DAY_MS - 1000
  await expect(used()).rejects.toThrow('HTTP 503')
  await expect(used()).rejects.toThrow('HTTP 503')
  expect(world.iam.arrivals).toHaveLength(3)
  world.iam.setScript(tokenOf('second'))
  world.clock.now = DAY_MS + 60_000
  expect(await used()).toBe('second')
})

it('a token of the acting account that IAM refuses is fetched anew', async () => {
  const agency: Credential = { kind: 'agency', of: 'base', domain: 'other', agency: 'orders' }
  const auth = world.authOf({ base: PASSWORD, main: agency })
  let good = 'own-1'
  world.iam.setScript((socket, arrival) => {
    const { identity } = JSON.parse(arrival.body).auth
    if (identity.methods[0] === 'password') return tokenOf(good)(socket, arrival)
    const isGood = arrival.headers['x-auth-token'] === good
    return (isGood ? tokenOf('agency') : answer(401, { error: { code: 401 } }))(socket, arrival)
  })
  expect(await headersFor(auth, 'p1')).toEqual({ 'X-Auth-Token': 'agency' })
  good = 'own-2'
  world.clock.now = 60_000
  expect(await headersFor(auth, 'p2')).toEqual({ 'X-Auth-Token': 'agency' })
  expect(world.iam.arrivals).toHaveLength(5)
})

it('a refused token is replaced at once, but not again while the new one is fresh', async () => {
  const client = world.client(world.authOf({ main: PASSWORD }))
  const create = () => client.batchCreate({ projectId: 'p1', body: '{}' })
  world.iam.setScript(tokenOf('first'))
  world.cloud.setScript(answer(401, { error_code: 'APIGW.0301', error_msg: 'token expires' }))
  await create()
  world.clock.now = 60_000
  world.iam.setScript(tokenOf('second'))
  await Promise.all([create(), create(), create()])
  await eventually(async () => {
    await create()
    expect(world.cloud.arrivals.at(-1)?.headers['x-auth-token']).toBe('second')
  })
  await create()
  expect(world.iam.arrivals).toHaveLength(2)
})
