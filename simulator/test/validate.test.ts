import { describe, expect, it } from 'vitest'
import { checkBatchCreate, checkBatchDelete, checkCreate } from '../validate.ts'

const good = {
  name: 'web-1',
  image_id: 'image',
  vpc_id: 'vpc',
  network_interfaces: [{ subnet_id: 'subnet' }],
  password: 'Abcdef1!',
}
const withMembers = (members: object) => ({ ...good, ...members })
const without = (field: string) => Object.fromEntries(Object.entries(good).filter(([name]) => name !== field))
const ids = (count: number) => Array.from({ length: count }, (_, index) => `id-${index}`)
const pairs = (count: number) => Object.fromEntries(ids(count).map((id) => [id, 'value']))
const han = '服'
const rareHan = '𠮷'
const smile = '😀'

const accepted: [string, object][] = [
  ['only mandatory members', good],
  ['name of 1', withMembers({ name: 'a' })],
  ['name of 63', withMembers({ name: 'a'.repeat(63) })],
  ['name with every allowed mark', withMembers({ name: 'aZ0_-.' })],
  ['name that starts with a hyphen', withMembers({ name: '-a' })],
  ['name that is a period', withMembers({ name: '.' })],
  ['name in Han script', withMembers({ name: han.repeat(63) })],
  ['name of 63 code points beyond the BMP', withMembers({ name: rareHan.repeat(63) })],
  ['image_id of any text', withMembers({ image_id: ' not a uuid ' })],
  ['vpc_id of any text', withMembers({ vpc_id: '💾' })],
  ['two interfaces', withMembers({ network_interfaces: [{ subnet_id: 'a' }, { subnet_id: 'b' }] })],
  ['the same subnet twice', withMembers({ network_interfaces: [{ subnet_id: 'a' }, { subnet_id: 'a' }] })],
  [
    'an address on an interface, ignored',
    withMembers({ network_interfaces: [{ subnet_id: 'a', ipv4_address: 7 }] }),
  ],
  ['password of 8', withMembers({ password: 'Abcdefg1' })],
  ['password of 26', withMembers({ password: `Ab1${'x'.repeat(23)}` })],
  ['password of 8 code points beyond the BMP', withMembers({ password: `Ab1${smile.repeat(5)}` })],
  ['password of 26 code points beyond the BMP', withMembers({ password: `Ab1${smile.repeat(23)}` })],
  ['password of upper, lower, special', withMembers({ password: 'Abcdefg!' })],
  ['password of upper, digit, special', withMembers({ password: 'ABCDEF1!' })],
  ['password of lower, digit, special', withMembers({ password: 'abcdef1!' })],
  ['password of all four', withMembers({ password: 'Abcdef1!' })],
  ['password with characters of no class', withMembers({ password: 'Abcde1#&é' })],
  ['password with a blank', withMembers({ password: 'Abcdef1 ' })],
  ['password with the user name in another case', withMembers({ password: 'Root1234!' })],
  ['password with administrator in lower case', withMembers({ password: 'administrator1A' })],
  ['password with toor split', withMembers({ password: 'Ato_or123' })],
  ['metadata empty', withMembers({ metadata: {} })],
  ['metadata of 10', withMembers({ metadata: pairs(10) })],
  ['metadata key of 1', withMembers({ metadata: { a: 'b' } })],
  ['metadata key of 255', withMembers({ metadata: { ['k'.repeat(255)]: 'b' } })],
  ['metadata key with every allowed mark', withMembers({ metadata: { 'aZ 0-_:.': 'b' } })],
  [
    'metadata key __proto__',
    JSON.parse(JSON.stringify(good).replace('}]', '}],"metadata":{"__proto__":"a"}')),
  ],
  ['metadata value empty', withMembers({ metadata: { a: '' } })],
  ['metadata value of 255', withMembers({ metadata: { a: 'v'.repeat(255) } })],
  ['metadata value of 255 beyond the BMP', withMembers({ metadata: { a: smile.repeat(255) } })],
  ['description empty', withMembers({ description: '' })],
  ['description of 255', withMembers({ description: 'd'.repeat(255) })],
  ['description of 255 beyond the BMP', withMembers({ description: smile.repeat(255) })],
  ['description of any characters', withMembers({ description: '<a>\n\t"é服' })],
  ['optional members null', withMembers({ metadata: null, description: null, placement: null })],
  ['counts null', withMembers({ min_count: null, max_count: null })],
  ['min 1', withMembers({ min_count: 1 })],
  ['min 100', withMembers({ min_count: 100 })],
  ['max 100', withMembers({ max_count: 100 })],
  ['min equal to max', withMembers({ min_count: 3, max_count: 3 })],
  ['a count written 2.0', JSON.parse(JSON.stringify(good).replace('}]', '}],"max_count":2.0'))],
  ['placement empty', withMembers({ placement: {} })],
  ['placement with the other shape', withMembers({ placement: { server_id: 'a' } })],
  ['server_id_set empty', withMembers({ placement: { server_id_set: [] } })],
  ['server_id_set null', withMembers({ placement: { server_id_set: null } })],
  ['server_id_set of 50', withMembers({ placement: { server_id_set: ids(50) } })],
  [
    'counts out of range beside a placement',
    withMembers({ placement: { server_id_set: ['a'] }, min_count: 0 }),
  ],
  [
    'counts crossed beside a placement',
    withMembers({ placement: { server_id_set: ['a'] }, min_count: 9, max_count: 500 }),
  ],
  ['unknown members', withMembers({ user_data: 'x', flavor: { a: 1 } })],
]

const refused: [string, string, unknown][] = [
  ['name', 'absent', without('name')],
  ['name', 'null', withMembers({ name: null })],
  ['name', 'empty', withMembers({ name: '' })],
  ['name', 'of 64', withMembers({ name: 'a'.repeat(64) })],
  ['name', 'of 64 Han', withMembers({ name: rareHan.repeat(64) })],
  ['name', 'with a blank', withMembers({ name: 'a b' })],
  ['name', 'with a line end', withMembers({ name: 'a\n' })],
  ['name', 'with a slash', withMembers({ name: 'a/b' })],
  ['name', 'with an accent', withMembers({ name: 'é' })],
  ['name', 'in full-width Latin', withMembers({ name: 'ａ' })],
  ['name', 'in kana', withMembers({ name: 'カ' })],
  ['name', 'in Cyrillic', withMembers({ name: 'ж' })],
  ['name', 'with an emoji', withMembers({ name: smile })],
  ['name', 'with half a surrogate pair', withMembers({ name: 'a\ud800' })],
  ['name', 'a number', withMembers({ name: 1 })],
  ['image_id', 'absent', without('image_id')],
  ['image_id', 'null', withMembers({ image_id: null })],
  ['image_id', 'empty', withMembers({ image_id: '' })],
  ['image_id', 'a number', withMembers({ image_id: 1 })],
  ['vpc_id', 'absent', without('vpc_id')],
  ['vpc_id', 'null', withMembers({ vpc_id: null })],
  ['vpc_id', 'empty', withMembers({ vpc_id: '' })],
  ['vpc_id', 'a list', withMembers({ vpc_id: ['a'] })],
  ['network_interfaces', 'absent', without('network_interfaces')],
  ['network_interfaces', 'null', withMembers({ network_interfaces: null })],
  ['network_interfaces', 'empty', withMembers({ network_interfaces: [] })],
  ['network_interfaces', 'an object', withMembers({ network_interfaces: { subnet_id: 'a' } })],
  [
    'network_interfaces',
    'three',
    withMembers({ network_interfaces: ['a', 'b', 'c'].map((subnet_id) => ({ subnet_id })) }),
  ],
  ['network_interfaces[0]', 'null', withMembers({ network_interfaces: [null] })],
  ['network_interfaces[0]', 'a text', withMembers({ network_interfaces: ['a'] })],
  ['network_interfaces[0].subnet_id', 'absent', withMembers({ network_interfaces: [{}] })],
  ['network_interfaces[0].subnet_id', 'null', withMembers({ network_interfaces: [{ subnet_id: null }] })],
  ['network_interfaces[0].subnet_id', 'empty', withMembers({ network_interfaces: [{ subnet_id: '' }] })],
  [
    'network_interfaces[1].subnet_id',
    'a number',
    withMembers({ network_interfaces: [{ subnet_id: 'a' }, { subnet_id: 1 }] }),
  ],
  ['password', 'absent', without('password')],
  ['password', 'null', withMembers({ password: null })],
  ['password', 'a number', withMembers({ password: 12345678 })],
  ['password', 'of 7', withMembers({ password: 'Abcde1!' })],
  ['password', 'of 27', withMembers({ password: `Ab1${'x'.repeat(24)}` })],
  ['password', 'of 7 beyond the BMP', withMembers({ password: `Ab1${smile.repeat(4)}` })],
  ['password', 'of 27 beyond the BMP', withMembers({ password: `Ab1${smile.repeat(24)}` })],
  ['password', 'of upper and lower', withMembers({ password: 'Abcdefgh' })],
  ['password', 'of lower and digit', withMembers({ password: 'abcdefg1' })],
  ['password', 'of digit and special', withMembers({ password: '1234567!' })],
  ['password', 'of two classes and others', withMembers({ password: 'Abcdef#&' })],
  ['password', 'of two classes and an accented capital', withMembers({ password: 'abcdef1É' })],
  ['password', 'with root', withMembers({ password: 'Aroot123' })],
  ['password', 'with toor', withMembers({ password: 'A1!toor9' })],
  ['password', 'with Administrator', withMembers({ password: 'Administrator1!' })],
  ['password', 'with rotartsinimdA', withMembers({ password: '1!rotartsinimdA' })],
  ['metadata', 'a list', withMembers({ metadata: [] })],
  ['metadata', 'a text', withMembers({ metadata: 'a' })],
  ['metadata', 'of 11', withMembers({ metadata: pairs(11) })],
  ['metadata', 'key empty', withMembers({ metadata: { '': 'a' } })],
  ['metadata', 'key of 256', withMembers({ metadata: { ['k'.repeat(256)]: 'a' } })],
  ['metadata', 'key with a slash', withMembers({ metadata: { 'a/b': 'a' } })],
  ['metadata', 'key with an accent', withMembers({ metadata: { é: 'a' } })],
  ['metadata', 'key with a tab', withMembers({ metadata: { 'a\t': 'a' } })],
  ['metadata', 'value of 256', withMembers({ metadata: { a: 'v'.repeat(256) } })],
  ['metadata', 'value of 256 beyond the BMP', withMembers({ metadata: { a: smile.repeat(256) } })],
  ['metadata', 'value a number', withMembers({ metadata: { a: 1 } })],
  ['metadata', 'value null', withMembers({ metadata: { a: null } })],
  ['description', 'of 256', withMembers({ description: 'd'.repeat(256) })],
  ['description', 'of 256 beyond the BMP', withMembers({ description: smile.repeat(256) })],
  ['description', 'a number', withMembers({ description: 1 })],
  ['placement', 'a list', withMembers({ placement: [] })],
  ['placement', 'a text', withMembers({ placement: 'a' })],
  ['placement.server_id_set', 'a text', withMembers({ placement: { server_id_set: 'a' } })],
  ['placement.server_id_set', 'of 51', withMembers({ placement: { server_id_set: ids(51) } })],
  [
    'placement.server_id_set',
    'of 51 with duplicates',
    withMembers({ placement: { server_id_set: [...ids(50), 'id-0'] } }),
  ],
  ['placement.server_id_set', 'with a number', withMembers({ placement: { server_id_set: [1] } })],
  ['placement.server_id_set', 'with null', withMembers({ placement: { server_id_set: [null] } })],
  ['placement.server_id_set', 'with an empty text', withMembers({ placement: { server_id_set: [''] } })],
  ['min_count', '0', withMembers({ min_count: 0 })],
  ['min_count', 'negative', withMembers({ min_count: -1 })],
  ['min_count', '101', withMembers({ min_count: 101, max_count: 101 })],
  ['min_count', 'a fraction', withMembers({ min_count: 1.5 })],
  ['min_count', 'a text', withMembers({ min_count: '2' })],
  ['min_count', 'true', withMembers({ min_count: true })],
  ['min_count', 'over max_count', withMembers({ min_count: 3, max_count: 2 })],
  ['min_count', 'out of range beside an empty placement', withMembers({ min_count: 0, placement: {} })],
  [
    'min_count',
    'a text beside a placement',
    withMembers({ min_count: '1', placement: { server_id_set: ['a'] } }),
  ],
  ['max_count', '0', withMembers({ max_count: 0 })],
  ['max_count', '101', withMembers({ max_count: 101 })],
  ['max_count', 'a text', withMembers({ max_count: '2' })],
  ['max_count', 'an object', withMembers({ max_count: {} })],
  ['body', 'a list', []],
  ['body', 'null', null],
  ['body', 'a text', 'x'],
]

describe('checkBatchCreate', () => {
  it.each(accepted)('accepts %s', (_, body) => {
    expect(checkBatchCreate(body)).toMatchObject({ ok: true })
  })

  it.each(refused)('refuses %s %s and names the field', (field, _, body) => {
    const checked = checkBatchCreate(body)
    if (checked.ok) throw new Error('was accepted')
    const { error_code, error_msg } = JSON.parse(checked.reply.body)
    expect(checked.reply.status).toBe(400)
    expect(error_code).toMatch(/^iMetal\.000[12]$/)
    expect(error_msg).toContain(field)
  })

  it.each('!@$%^-_=+[{}]:,./?'.split(''))('counts %s as a special character', (mark) => {
    expect(checkBatchCreate(withMembers({ password: `abcdef1${mark}` }))).toMatchObject({ ok: true })
  })

  it.each('#&*()~`|\\;\'"<> '.split(''))('does not count %s as a special character', (mark) => {
    expect(checkBatchCreate(withMembers({ password: `abcdef1${mark}` }))).toMatchObject({ ok: false })
  })

  it('tells missing fields from invalid ones by code, all at once', () => {
    const checked = checkBatchCreate({ name: '?' })
    if (checked.ok) throw new Error('was accepted')
    expect(JSON.parse(checked.reply.body)).toEqual({
      error_code: 'iMetal.0002',
      error_msg: 'Missing required parameters: image_id, vpc_id, network_interfaces, password',
    })
  })

  it('never repeats the password', () => {
    const checked = checkBatchCreate(withMembers({ name: '?', password: 'secret-secret' }))
    if (checked.ok) throw new Error('was accepted')
    expect(checked.reply.body).not.toContain('secret')
  })

  it.each([
    [{}, 1, 1],
    [{ min_count: 4 }, 4, 4],
    [{ max_count: 4 }, 1, 4],
    [{ min_count: 2, max_count: 4 }, 2, 4],
    [{ min_count: 2, max_count: 4, placement: {} }, 2, 4],
  ])('reads the counts of %j as %i to %i', (members, min, max) => {
    expect(checkBatchCreate(withMembers(members))).toMatchObject({ value: { min, max, servers: null } })
  })

  it('makes selected servers distinct', () => {
    const body = withMembers({ placement: { server_id_set: ['a', 'b', 'a'] } })
    expect(checkBatchCreate(body)).toMatchObject({ value: { servers: ['a', 'b'] } })
  })

  it('keeps a metadata key named __proto__', () => {
    const body = JSON.parse(JSON.stringify(good).replace('}]', '}],"metadata":{"__proto__":"a"}'))
    const checked = checkBatchCreate(body)
    expect(checked.ok && JSON.stringify(checked.value.spec.metadata)).toBe('{"__proto__":"a"}')
  })
})

describe('checkCreate', () => {
  it('takes one server and addresses', () => {
    const body = withMembers({
      network_interfaces: [{ subnet_id: 'a', ipv4_address: '10.0.0.4' }],
      placement: { server_id: 's' },
      min_count: 'ignored like any unknown member',
    })
    const spec = { network_interfaces: [{ subnet_id: 'a', ipv4_address: '10.0.0.4' }] }
    expect(checkCreate(body)).toMatchObject({ ok: true, value: { spec, servers: ['s'], min: 1, max: 1 } })
  })

  it.each([{}, { placement: null }, { placement: {} }, { placement: { server_id: null } }])(
    'takes any idle server with %j',
    (members) => {
      expect(checkCreate(withMembers(members))).toMatchObject({ ok: true, value: { servers: null } })
    },
  )

  it.each([
    { placement: { server_id: '' } },
    { placement: { server_id: 1 } },
    { placement: [] },
    { network_interfaces: [{ subnet_id: 'a', ipv4_address: 1 }] },
    { name: null },
  ])('refuses %j', (members) => {
    expect(checkCreate(withMembers(members))).toMatchObject({ ok: false })
  })
})

describe('checkBatchDelete', () => {
  it.each([1, 50])('takes %i ids', (count) => {
    expect(checkBatchDelete({ instance_id_set: ids(count) })).toEqual({ ok: true, value: ids(count) })
  })

  it('makes ids distinct', () => {
    expect(checkBatchDelete({ instance_id_set: ['a', 'a'] })).toEqual({ ok: true, value: ['a'] })
  })

  it.each([{}, { instance_id_set: null }, { instance_id_set: [] }, { instance_id_set: ids(51) }, []])(
    'refuses %j',
    (body) => {
      expect(checkBatchDelete(body)).toMatchObject({ ok: false })
    },
  )

  it.each([[1], [''], [null], 'a'])('refuses instance_id_set %j', (instance_id_set) => {
    expect(checkBatchDelete({ instance_id_set })).toMatchObject({ ok: false })
  })
})
