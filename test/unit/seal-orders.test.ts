import { expect, test } from 'vitest'
import { readOrders } from '../../src/cli/read-orders.ts'
import { sealOrders } from '../../src/cli/seal-orders.ts'
import { parseRequestMessage } from '../../src/contracts/request-message.ts'
import { createJweBox, openText } from '../../src/secrets/jwe-box.ts'
import { buildRequest } from '../support/request-builder.ts'

const PASSWORD = 'Sup3r-"Secret"!'
const box = createJweBox([{ id: 'k1', key: Buffer.alloc(32, 7) }])
const api = { read: async <Reply>() => box.publicKeys as Reply }

const data = { ...buildRequest({ project_id: 'p', request_id: 'r' }) }
const spec = { ...data.spec, password: PASSWORD }
const FORMS = [
  ['an order', { ...data, spec }],
  [
    'a CloudEvent',
    { specversion: '1.0', id: 'e', source: '/shop', type: 'ordered', data: { ...data, spec } },
  ],
] as const

test.each(FORMS)(
  'the password of %s is sealed to the key of the service, and nothing else changes',
  async (_, body) => {
    const { orders, faults } = readOrders(Buffer.from(JSON.stringify(body)))
    expect(faults).toEqual([])
    const sealed = await sealOrders(api, orders)
    const [{ body: text = Buffer.alloc(0), contentType = '' } = {}] = sealed
    expect(text.toString()).not.toContain('Sup3r')
    const parsed = parseRequestMessage({ body: text, contentType, messageId: undefined })
    const opened = parsed.ok === 'sealed' ? await parsed.unseal((jwe) => openText(box, jwe)) : parsed
    const plain = parseRequestMessage({
      body: Buffer.from(JSON.stringify(body)),
      contentType,
      messageId: undefined,
    })
    expect(opened).toMatchObject({ ok: true })
    expect(opened).toEqual(plain)
    // What is sealed stays as it is.
    expect(await sealOrders(api, sealed)).toEqual(sealed)
  },
)
