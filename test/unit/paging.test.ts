import fc from 'fast-check'
import { expect, it } from 'vitest'
import { CloudDcUnexpectedError } from '../../src/clouddc/errors.ts'
import { collectPages } from '../../src/clouddc/paging.ts'
import { type InstancePage, parsePage } from '../../src/clouddc/wire.ts'

function page(ids: string[], nextMarker: string | null, total: number | null = null): InstancePage {
  const parsed = parsePage(JSON.stringify({ instances: ids.map((id) => ({ id })) }))
  if (parsed === null) throw new Error('not a page')
  return { ...parsed, nextMarker, total }
}

/** Serves the pages in turn and notes the markers that were sent. */
function serve(...pages: InstancePage[]) {
  const markers: (string | undefined)[] = []
  const listing = collectPages(async (marker) => {
    const next = pages[markers.length]
    if (next === undefined) throw new Error('asked for one page too many')
    markers.push(marker)
    return next
  })
  return { markers, ids: listing.then(({ instances }) => instances.map((instance) => instance.id)) }
}

it('gives every instance once, whatever the sizes of the pages', async () => {
  const listings = fc.array(fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { minLength: 1 }), {
    minLength: 1,
  })
  await fc.assert(
    fc.asyncProperty(listings, async (lists) => {
      const last = lists.length - 1
      const { ids } = serve(...lists.map((list, index) => page(list, index === last ? null : `m${index}`)))
      expect((await ids).toSorted()).toEqual([...new Set(lists.flat())].toSorted())
    }),
  )
})

it('goes on after a short page', async () => {
  const { ids, markers } = serve(page(['a'], 'm1'), page(['b', 'c'], null))
  expect(await ids).toEqual(['a', 'b', 'c'])
  expect(markers).toEqual([undefined, 'm1'])
})

it.each([
  ['an empty page with a marker', [page(['a'], 'm1'), page([], 'm2')]],
  ['an empty page with a marker, and nothing before', [page([], 'm1', 0)]],
  ['a page that repeats its marker', [page(['a'], 'm1'), page(['b'], 'm1')]],
  ['a circle of markers', [page(['a'], 'm1'), page(['b'], 'm2'), page(['c'], 'm1')]],
  ['a circle that lowers its count', [page(['a'], 'm1', 9), page(['b'], 'm1', 2)]],
])('does not pass off as complete: %s', async (_, pages) => {
  const { ids, markers } = serve(...pages)
  await expect(ids).rejects.toBeInstanceOf(CloudDcUnexpectedError)
  expect(markers).toHaveLength(pages.length)
})

it('takes a listing that ends in a marker for complete when it holds all that is counted', async () => {
  expect(await serve(page(['a'], 'm1', 2), page(['b'], 'm1', 2)).ids).toEqual(['a', 'b'])
  expect(await serve(page(['a', 'b'], 'm1', 2), page([], 'm2', 2)).ids).toEqual(['a', 'b'])
})

it.each([
  ['pages', { pages: 3, instances: 1000, characters: 1e6 }],
  ['instances', { pages: 1000, instances: 3, characters: 1e6 }],
  ['characters', { pages: 1000, instances: 1000, characters: 30 }],
])('gives up a listing that never ends, by the number of its %s', async (_, bounds) => {
  let calls = 0
  const listing = collectPages(
    async () => {
      calls += 1
      const [instance] = page([`i${calls}`], null).instances
      if (instance === undefined) throw new Error('not an instance')
      const words = { ...instance, description: '0123456789' }
      return { instances: [words], nextMarker: `m${calls}`, total: null }
    },
    undefined,
    bounds,
  )
  await expect(listing).rejects.toBeInstanceOf(CloudDcUnexpectedError)
  expect(calls).toBeLessThan(6)
})

it('does not pass off as complete what holds fewer instances than are counted', async () => {
  await expect(serve(page(['a'], 'm1', 3), page(['b'], 'm1', 3)).ids).rejects.toBeInstanceOf(
    CloudDcUnexpectedError,
  )
  await expect(serve(page([], null, 1)).ids).rejects.toBeInstanceOf(CloudDcUnexpectedError)
})

it('is not disturbed by instances that come or go meanwhile', async () => {
  expect(await serve(page(['a'], 'm1', 2), page(['b'], null, 5)).ids).toEqual(['a', 'b'])
  expect(await serve(page(['a'], 'm1', 3), page(['b'], null, 2)).ids).toEqual(['a', 'b'])
})

it('keeps what it is told to keep, and counts the others', async () => {
  const pages = [page(['a', 'b'], 'm1', 3), page(['c', 'b'], null, 3)]
  const listing = await collectPages(
    async () => pages.shift() ?? page([], null),
    ({ id }) => id === 'b',
  )
  expect(listing).toMatchObject({ instances: [{ id: 'b' }], size: 3 })
})
