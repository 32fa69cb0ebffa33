import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { accessBy } from '../support/access.ts'
import { REQUEST_PATH, setUpApi } from '../support/api-world.ts'
import { type Authority, createAuthority, writePems } from '../support/authority.ts'
import { eventually } from '../support/eventually.ts'

let authority: Authority
beforeAll(async () => {
  authority = await createAuthority()
})

async function setUp(options: Parameters<typeof setUpApi>[1] = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'https-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const files = writePems(folder, await authority.certify({ name: 'first', ip: ['127.0.0.1'] }))
  const certificate = { certFile: files.cert, keyFile: files.key }
  const world = setUpApi({}, { certificate, certificateLookMs: 10, ...options })
  await world.api.start()
  /** A reply over a connection of its own, which believes the authority. */
  const ask = (path: string) =>
    new Promise<{ status: number; name: string; headers: NodeJS.Dict<string | string[]> }>(
      (resolve, reject) => {
        get(world.api.url() + path, { ca: authority.cert, agent: false }, (reply) => {
          const name = (reply.socket as TLSSocket).getPeerCertificate().subject.CN
          reply
            .resume()
            .on('end', () =>
              resolve({ status: reply.statusCode ?? 0, name: String(name), headers: reply.headers }),
            )
        }).on('error', reject)
      },
    )
  return { ...world, certificate, ask }
}

describe('with a certificate', () => {
  test('the API is served over HTTPS, and browsers are told to keep to it', async () => {
    const { api, ask } = await setUp()
    expect(api.url()).toMatch(/^https:/)
    const { status, headers } = await ask(REQUEST_PATH)
    expect(status).toBe(200)
    expect(headers['strict-transport-security']).toMatch(/^max-age=\d+$/)
    await expect(fetch(api.url().replace('https', 'http') + REQUEST_PATH)).rejects.toThrow()
  })

  test('a renewed one is used without a restart; one with faults is not', async () => {
    const { ask, certificate, log } = await setUp()
    expect((await ask('/healthz')).name).toBe('first')
    writeFileSync(certificate.certFile, 'half a certi')
    await eventually(() => expect(log()).toContain('the certificate of HTTPS cannot be read'))
    expect((await ask('/healthz')).name).toBe('first')
    const next = await authority.certify({ name: 'second', ip: ['127.0.0.1'] })
    writeFileSync(certificate.keyFile, next.key)
    writeFileSync(certificate.certFile, next.cert)
    await eventually(async () => expect((await ask('/healthz')).name).toBe('second'))
    expect(log()).not.toContain('PRIVATE KEY')
  })

  test('a session cookie is kept to HTTPS', async () => {
    const { api } = await setUp({ access: accessBy({ keys: [{ key: 'a-key' }] }) })
    const cookie = await new Promise<string>((resolve, reject) => {
      const headers = { authorization: 'Bearer a-key' }
      const options = { ca: authority.cert, agent: false as const, method: 'POST', headers }
      get(`${api.url()}/console/session`, options, (reply) => {
        reply.resume().on('end', () => resolve(String(reply.headers['set-cookie'])))
      }).on('error', reject)
    })
    expect(cookie).toMatch(/^__Host-provisioner=.*; Secure/)
  })
})
