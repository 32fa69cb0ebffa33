import { describe, expect, it } from 'vitest'
import { pageOf, readIds, readLimit } from '../paging.ts'
import { matchRoute } from '../routes.ts'

describe('matchRoute', () => {
  it.each([
    ['POST', '/v1/p/instances/batch-create', 'RunInstances'],
    ['POST', '/v1/p/instances/batch-create?x=1', 'RunInstances'],
    ['POST', '/v1/p/instances', 'CreateInstance'],
    ['GET', '/v1/p/instances?limit=10', 'ListInstances'],
    ['GET', '/v1/p/instances/i/status', 'ShowInstanceStatus'],
    ['DELETE', '/v1/p/instances/i', 'DeleteInstance'],
    ['POST', '/v1/p/instances/batch-delete', 'DeleteInstances'],
    ['GET', '/v1/p/physicalservers', 'ListServers'],
    ['GET', '/v1/p/physicalservers/s', 'ShowServer'],
    ['GET', '/v1/p/physicalservers/status', 'CountServers'],
    ['POST', '/v3/auth/tokens?nocatalog=true', 'CreateToken'],
    ['POST', '/v3.0/OS-AUTH/id-token/tokens', 'CreateTokenByIdToken'],
    ['POST', '/v3.0/OS-CREDENTIAL/securitytokens', 'CreateTemporaryKey'],
    ['GET', '/v3/projects?name=r', 'ListProjects'],
    ['PUT', '/meta-data/latest/api/token', 'CreateMetadataSession'],
    ['GET', '/openstack/latest/securitykey', 'ShowSecurityKey'],
  ])('%s %s is %s', (method, url, operation) => {
    expect(matchRoute(method, url).operation).toBe(operation)
  })

  it.each([
    ['GET', '/v1/p/instances/batch-create'],
    ['PUT', '/v1/p/instances'],
    ['GET', '/v1/p/instances/i'],
    ['POST', '/v1/p/instances/i'],
    ['POST', '/v1/p/instances/i/status'],
    ['GET', '/v1/p/instances/i/status/x'],
    ['GET', '/v1/p/instances//status'],
    ['DELETE', '/v1/p/instances/'],
    ['POST', '/v1/p/instances/batch-create/'],
    ['POST', '/v1/p/physicalservers'],
    ['GET', '/v1/p/physicalservers/'],
    ['GET', '/v1/p'],
    ['GET', '/v1//instances'],
    ['GET', '/v1/%zz/instances'],
    ['GET', '/v2/p/instances'],
    ['GET', '/v3/auth/tokens'],
    ['GET', '/'],
  ])('%s %s is no API', (method, url) => {
    expect(matchRoute(method, url).operation).toBe('Unknown')
  })

  it('decodes project and id and keeps the query apart', () => {
    expect(matchRoute('DELETE', '/v1/a%20b/instances/i%2F1?q=1')).toMatchObject({
      project: 'a b',
      id: 'i/1',
      path: '/v1/a%20b/instances/i%2F1',
      query: 'q=1',
    })
  })
})

describe('paging', () => {
  it.each([
    [null, 10],
    ['', 10],
    ['-5', 10],
    ['0', 10],
    ['9', 10],
    ['10', 10],
    ['11', 11],
    ['1000', 1000],
    ['1001', 1000],
    ['x', null],
    ['1.5', null],
  ])('reads limit %s as %s', (text, limit) => {
    expect(readLimit(text)).toBe(limit)
  })

  it('marks the next page by the last id, and the last page by no mark', () => {
    expect(pageOf(['a', 'b'], true)).toEqual({ next_marker: 'b', previous_marker: 'a', current_count: 2 })
    expect(pageOf(['a'], false)).toEqual({ previous_marker: 'a', current_count: 1 })
    expect(pageOf([], false)).toEqual({ current_count: 0 })
  })

  it('reads comma lists, also when repeated', () => {
    expect(readIds(new URLSearchParams('id=a,b&id=c'), 'id')).toEqual(['a', 'b', 'c'])
    expect(readIds(new URLSearchParams('id='), 'id')).toBeNull()
    expect(readIds(new URLSearchParams(''), 'id')).toBeNull()
  })
})
