import { expect, test } from 'vitest'
import { EXAMPLES } from '../../src/api/examples.ts'
import { setUpApi } from '../support/api-world.ts'

test('the public keys are served to everybody, and may be kept for a while', async () => {
  const { api } = setUpApi()
  const reply = await api.app.inject('/.well-known/provisioner-keys')
  expect(reply.statusCode).toBe(200)
  expect(reply.headers['content-type']).toMatch(/^application\/jwk-set\+json/)
  expect(reply.headers['cache-control']).toBe('public, max-age=300')
  expect(reply.json()).toEqual(EXAMPLES.keySet)
})
