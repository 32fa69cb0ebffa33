import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { instanceStateOf } from '../../src/clouddc/instance-state.ts'
import { parseCreated, parsePage, parseStatus } from '../../src/clouddc/wire.ts'

const page = (item: object, more: object = {}) =>
  parsePage(JSON.stringify({ instances: [{ id: 'i1', ...item }], ...more }))
const instance = (item: object) => page(item)?.instances[0]

describe('the state of an instance', () => {
  it.each([
    ['pending', null, 'pending'],
    ['Running', null, 'running'],
    ['error', null, 'failed'],
    ['failed', null, 'failed'],
    ['terminated', null, 'gone'],
    ['TEMINATED', null, 'gone'],
    ['stopped', null, 'busy'],
    ['stopping', null, 'busy'],
    ['reinstalling', null, 'busy'],
    ['modifyIping', null, 'busy'],
    ['switch-installing', null, 'busy'],
    ['shutting-down', null, 'busy'],
    ['a word of tomorrow', null, 'busy'],
    ['constructor', null, 'busy'],
    ['', null, 'busy'],
    ['pending', 'install-processing', 'pending'],
    ['pending', 'Install-Failed', 'failed'],
    ['stopped', 'install-failed', 'failed'],
    ['running', 'reinstall-failed', 'running'],
    ['running', 'install-failed', 'running'],
    ['terminated', 'install-failed', 'gone'],
  ] as const)('%s with %s is %s', (state, operationState, expected) => {
    expect(instanceStateOf(state, operationState)).toBe(expected)
  })

  it('is final for no word that is not known to be', () => {
    const known = ['running', 'error', 'failed', 'terminated', 'teminated', 'pending']
    fc.assert(
      fc.property(fc.string(), (word) => {
        fc.pre(!known.includes(word.trim().toLowerCase()))
        expect(instanceStateOf(word, null)).toBe('busy')
      }),
    )
  })
})

describe('the answer of batch-create', () => {
  it.each([
    ['{"instances":[{"id":"a"},{"id":"b","more":1}],"more":1}', { ids: ['a', 'b'], unusable: 0 }],
    ['\uFEFF{"instances":[{"id":"a"}]}', { ids: ['a'], unusable: 0 }],
    ['{"instances":[null,{"id":7},{"id":""},{"id":"a b"},{"id":"a"}]}', { ids: ['a'], unusable: 4 }],
    ['{"instances":[]}', { ids: [], unusable: 0 }],
    ['{"instances":{"id":"a"}}', null],
    ['{"instance_id":"a"}', null],
    ['{"instances":[{"id":"a"}', null],
    ['[]', null],
    ['null', null],
    ['', null],
  ])('%s gives %j', (text, named) => {
    expect(parseCreated(text)).toEqual(named)
  })

  it('is read or not, but never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        parseCreated(text)
        parsePage(text)
        parseStatus(text)
      }),
    )
  })
})

describe('a page of instances', () => {
  it('has what the service needs', () => {
    const item = {
      name: 'web',
      server_id: 's1',
      image: { id: 'image-1', name: 'ubuntu', os_type: 'Linux' },
      network_interfaces: [
        { subnet_id: 'subnet-1', ipv4_address: '10.0.0.1' },
        { subnet_id: 'subnet-2', ipv4_address: '' },
      ],
      state: 'pending',
      operation_state: 'install-processing',
      metadata: { 'provisioner-attempt': 'a1' },
      description: 'd',
      created_at: '2026-11-23T12:00:00Z',
      launched_at: '',
      error: null,
      tags: [],
      vpc_id: 'v',
    }
    const info = { page_info: { next_marker: 'm', previous_marker: null, current_count: 1 }, count: 7 }
    expect(page(item, info)).toEqual({
      instances: [
        {
          id: 'i1',
          name: 'web',
          serverId: 's1',
          imageId: 'image-1',
          networkInterfaces: [
            { subnet_id: 'subnet-1', ipv4_address: '10.0.0.1' },
            { subnet_id: 'subnet-2', ipv4_address: null },
          ],
          state: 'pending',
          upstreamState: 'pending',
          metadata: { 'provisioner-attempt': 'a1' },
          description: 'd',
          createdAt: '2026-11-23T12:00:00Z',
          error: null,
        },
      ],
      nextMarker: 'm',
      total: 7,
    })
  })

  it('does without everything but the ids', () => {
    expect(instance({})).toEqual({
      id: 'i1',
      name: null,
      serverId: null,
      imageId: null,
      networkInterfaces: null,
      state: 'busy',
      upstreamState: '',
      metadata: {},
      description: null,
      error: null,
    })
    expect(
      instance({ name: 1, server_id: {}, state: [], metadata: 'x', created_at: 5, error: 'x' }),
    ).toMatchObject({
      name: null,
      serverId: null,
      metadata: {},
      error: { code: 'unknown', message: 'x' },
    })
  })

  it.each([
    [{ network_interfaces: 'x', image: 'x' }, null, null],
    [{ network_interfaces: null, image: null }, null, null],
    [{ network_interfaces: [], image: { id: 7 } }, [], null],
    [
      { network_interfaces: [1, null, { subnet_id: {}, ipv4_address: '\u0000 10.0.0.1\n' }], image: [] },
      [{ subnet_id: null, ipv4_address: '10.0.0.1' }],
      null,
    ],
    [{ server_id: '\u0000', image: { id: 'i'.repeat(300) } }, null, 'i'.repeat(255)],
  ])('of %j takes the interfaces %j and the image %j', (members, networkInterfaces, imageId) => {
    expect(instance(members)).toMatchObject({ serverId: null, networkInterfaces, imageId })
  })

  it('has no more interfaces than can be meant', () => {
    const many = Array.from({ length: 1000 }, () => ({ subnet_id: 's' }))
    expect(instance({ network_interfaces: many })?.networkInterfaces).toHaveLength(16)
  })

  it.each([
    ['12', 12],
    [12, 12],
    ['', null],
    ['many', null],
    ['9'.repeat(30), null],
    [-1, null],
    [1.5, null],
    [{}, null],
  ])('reads the count %j as %j', (count, total) => {
    expect(parsePage(JSON.stringify({ instances: [], count }))?.total).toBe(total)
  })

  it('is not read when the list or an id is missing', () => {
    for (const text of [
      '{}',
      '{"instances":null}',
      '{"instances":[{"name":"x"}]}',
      '{"instances":[1]}',
      'x',
    ]) {
      expect(parsePage(text)).toBeNull()
    }
  })

  it('knows metadata also as a list of maps, and only its texts', () => {
    expect(instance({ metadata: [{ a: '1' }, { b: '2' }] })?.metadata).toEqual({ a: '1', b: '2' })
    expect(instance({ metadata: { a: '1', b: 2, c: null } })?.metadata).toEqual({ a: '1' })
  })

  it.each([
    [
      { error_code: 'c', error_msg: 'm', error_type: 't' },
      { code: 'c', message: 'm' },
    ],
    [{ error_type: 'create_instance_error' }, { code: 'create_instance_error', message: '' }],
    [{ error_msg: 'm' }, { code: 'unknown', message: 'm' }],
    [{}, null],
    [null, null],
  ])('reads the error %j', (error, expected) => {
    expect(instance({ error })?.error).toEqual(expected)
  })

  it.each([
    ['opaque', 'opaque'],
    ['', null],
    [null, null],
    ['https://h/v1/p/instances?limit=10&marker=a%2Bb', 'a+b'],
    ['/v1/p/instances?marker=m', 'm'],
    ['https://h/v1/p/instances?limit=10', null],
    ['https://h/v1/p/instances?marker=', null],
    ['a/b?marker=x', 'a/b?marker=x'],
    ['aGVsbG8/d29ybGQ=', 'aGVsbG8/d29ybGQ='],
  ])('takes the marker %j as %j', (marker, expected) => {
    expect(page({}, { page_info: { next_marker: marker } })?.nextMarker).toBe(expected)
  })
})

describe('the answer of ShowInstanceStatus', () => {
  it.each([
    ['{"state":"running"}', 'running'],
    ['{"status":"terminated"}', 'gone'],
    ['{"state":"running","status":"terminated"}', 'running'],
    ['{"state":"pending","operation_state":"install-failed","error":{"error_code":"x"}}', 'failed'],
  ])('%s is %s', (text, state) => {
    expect(parseStatus(text)?.state).toBe(state)
  })

  it('is not read without a state', () => {
    for (const text of ['{}', '{"state":null}', '{"state":""}', '[]', 'x'])
      expect(parseStatus(text)).toBeNull()
  })
})
