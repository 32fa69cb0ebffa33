/** What a spec holds at the least, with both counts, as intake stores it. */
export const BASE_SPEC = {
  name: 'web',
  image_id: 'i',
  vpc_id: 'v',
  network_interfaces: [{ subnet_id: 's' }],
  min_count: 1,
  max_count: 3,
}

/** So many pairs of metadata. */
export function pairs(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`key${index}`, 'v']))
}
