import { describe, expect, test } from 'vitest'
import { buildRequest, faultsOf, parseMessage } from '../support/request-builder.ts'
import { pairs } from '../support/specs.ts'

describe('field rules of the spec', () => {
  const four = '\u{1f600}'
  test.each<[string, unknown[], unknown[]]>([
    [
      'name',
      ['a', 'A-b_c.9', '-', '.', '服务器', '𠀀'.repeat(63), 'x'.repeat(63)],
      ['', 'x'.repeat(64), 'a b', 'é', 'ｗ', 'ы', 'a/b', 'web\n', 1, null, undefined, []],
    ],
    ['image_id', ['x', ' ', '任'], ['', 1, null, undefined, {}]],
    ['vpc_id', ['x'], ['', true, null, undefined]],
    [
      'network_interfaces',
      [[{ subnet_id: 'a' }], [{ subnet_id: 'a' }, { subnet_id: 'a' }]],
      [[], Array(3).fill({ subnet_id: 'a' }), {}, null, undefined, 'a', ['a']],
    ],
    [
      'password',
      [
        'Abcdefg1',
        'abcdefg1!',
        'ABCDEFG1:',
        'Abcdefg/',
        'Ab1'.padEnd(26, 'x'),
        'Ab1#&*~é服',
        `Abcdef1${four}`,
        'Root1234',
        'ADMINISTRATORa1',
      ],
      [
        '',
        'Abcdef1',
        'Ab1'.padEnd(27, 'x'),
        'abcdefgh1',
        'ABCDEFG#1',
        'Abcroot12',
        'Abctoor12',
        'xAdministrator1',
        'rotartsinimdA1!',
        `Abcde1${four}`,
        12345678,
        null,
        undefined,
        ['Abcdefg1'],
      ],
    ],
    [
      'metadata',
      [
        undefined,
        null,
        {},
        { 'a B_9:.-': '' },
        { k: four.repeat(255) },
        pairs(10),
        { ['k'.repeat(255)]: 'v' },
        { constructor: 'x' },
      ],
      [
        pairs(11),
        { '': 'v' },
        { ä: 'v' },
        { 'a/b': 'v' },
        { ['k'.repeat(256)]: 'v' },
        { k: four.repeat(256) },
        { k: 1 },
        { k: null },
        [],
        'k',
        JSON.parse('{"__proto__":1}'),
      ],
    ],
    [
      'description',
      [undefined, null, '', four.repeat(255), '\n'],
      [four.repeat(256), 'x'.repeat(256), 1, []],
    ],
    [
      'placement',
      [undefined, null, { server_id_set: ['a'] }, { server_id_set: Array(50).fill('a') }],
      [
        {},
        [],
        'a',
        { server_id_set: [] },
        { server_id_set: null },
        { server_id_set: Array(51).fill('a') },
        { server_id_set: [''] },
        { server_id_set: [1] },
        { server_id_set: 'a' },
        { server_id: 'a' },
      ],
    ],
    ['min_count', [undefined, null, 1, 100], [0, 101, -1, 1.5, '1', true, [], 1e300]],
    ['max_count', [undefined, null, 1, 100], [0, 101, -1, 1.5, '1', {}]],
  ])('%s', (field, valid, invalid) => {
    for (const value of valid) {
      expect(faultsOf(buildRequest({ spec: { [field]: value } })), JSON.stringify(value)).toEqual([])
    }
    for (const value of invalid) {
      const result = parseMessage(buildRequest({ spec: { [field]: value } }))
      expect(result, JSON.stringify(value)).toMatchObject({ ok: false, code: 'invalid_request' })
      for (const path of faultsOf(buildRequest({ spec: { [field]: value } }))) {
        expect(path).toMatch(new RegExp(`^spec\\.${field}([.[]|$)`))
      }
    }
  })

  test.each([
    [{ min_count: 3, max_count: 2 }, ['spec.max_count']],
    [{ min_count: 0, max_count: 101 }, ['spec.min_count', 'spec.max_count']],
    [{ placement: { server_id_set: ['a'] }, min_count: '1' }, ['spec.min_count']],
    [{ min_cuont: 2 }, ['spec.min_cuont']],
    [
      { network_interfaces: [{ subnet_id: 'a', ipv4_address: '10.0.0.1' }] },
      ['spec.network_interfaces.0.ipv4_address'],
    ],
    [{ network_interfaces: [{ subnet_id: 'a' }, {}] }, ['spec.network_interfaces.1.subnet_id']],
    [{ placement: { server_id_set: ['a'], x: 1 } }, ['spec.placement.x']],
    [{ placement: { server_id_set: ['a', ''] } }, ['spec.placement.server_id_set.1']],
    [{ metadata: { 'a/b': 1 } }, ['spec.metadata[0]', 'spec.metadata[0]']],
    [{ user_data: '' }, ['spec.user_data']],
  ])('%j has faults at %j', (spec, paths) => {
    expect(faultsOf(buildRequest({ spec }))).toEqual(paths)
  })
})
