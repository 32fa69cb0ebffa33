import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { createJweBox } from '../../src/secrets/jwe-box.ts'
import { readLetter } from '../../src/secrets/read-letter.ts'
import { characterMutations, type Json, memberMutations, tokenMutations } from '../support/mutations.ts'
import { buildRequest, CANARY, toBody } from '../support/request-builder.ts'

const box = createJweBox([{ id: 'k', key: randomBytes(32) }])
const plain = (body: Buffer) => readLetter(box, { body, contentType: 'application/json' })

test('a letter that is sealed whole is opened, and shown without its secrets', async () => {
  const order = buildRequest({ prioritty: 1, spec: { pasword: CANARY, description: CANARY, max_count: 2 } })
  const body = Buffer.from(await box.seal(toBody(order), 'application/json'))
  expect(await readLetter(box, { body, contentType: 'application/jose' })).toEqual({
    state: 'read',
    contentType: 'application/json',
    bytes: toBody(order).length,
    message: {
      request_id: 'order-1',
      project_id: 'project-1',
      prioritty: '(hidden)',
      spec: {
        name: 'web',
        image_id: 'image-1',
        vpc_id: 'vpc-1',
        network_interfaces: [{ subnet_id: 'subnet-1' }],
        password: '(hidden)',
        '(unknown) 5': '(hidden)',
        description: '(hidden)',
        max_count: 2,
      },
    },
  })
})

test('one of another service, and one that is no JSON, are not shown', async () => {
  const foreign = Buffer.from(await createJweBox([{ id: 'k', key: randomBytes(32) }]).seal('{}'))
  expect(await readLetter(box, { body: foreign, contentType: 'application/jose' })).toMatchObject({
    state: 'sealed',
    message: null,
  })
  expect(await plain(Buffer.from(`password=${CANARY}`))).toMatchObject({ state: 'not_json', message: null })
})

test('what was written as JSON twice is not shown, at any level', async () => {
  const order = buildRequest()
  const text = JSON.stringify(order)
  const spec = JSON.stringify(order.spec)
  for (const twice of [
    text,
    [text],
    { ...order, spec },
    { specversion: '1.0', data: text },
    { data: { spec } },
  ]) {
    const said = await plain(toBody(twice))
    expect(said.state).toBe('read')
    expect(JSON.stringify(said)).not.toContain(CANARY)
    expect(JSON.stringify(said)).toContain('(hidden)')
  }
})

test('no password is shown, whatever happens to its message', async () => {
  const order = buildRequest({ priority: 1, spec: { metadata: { team: 'blue' } } })
  const texts = [
    ...tokenMutations(JSON.stringify(order)),
    ...characterMutations(JSON.stringify(order)),
    ...memberMutations(order as Json, CANARY),
  ]
  const shown: string[] = []
  for (const text of texts) {
    const said = JSON.stringify(await plain(Buffer.from(text)))
    if (said.includes(CANARY) && JSON.stringify(JSON.parse(text)).includes(`"password":"${CANARY}"`))
      shown.push(text)
  }
  expect(texts.length).toBeGreaterThan(5000)
  expect(shown.slice(0, 3)).toEqual([])
})
