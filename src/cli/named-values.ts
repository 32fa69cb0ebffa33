/** Members in one line: `code=capacity missing=2`. */
export function namedValues(members: readonly (readonly [name: string, value: unknown])[]): string {
  return members
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ')
}
