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
  return { markers, ids: listing.then((instances) => instances.map((instance) => instance.id)) }
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

it('ends at an empty page, whatever its marker', async () => {
  const { ids } = serve(page(['a'], 'm1'), page([], 'm2'))
  expect(await ids).toEqual(['a'])
})

it('ends at a marker that was there before', async () => {
  const { ids, markers } = serve(page(['a'], 'm1'), page(['b'], 'm2'), page(['c'], 'm1'))
  expect(await ids).toEqual(['a', 'b', 'c'])
  expect(markers).toEqual([undefined, 'm1', 'm2'])
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
