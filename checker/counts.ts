/** Numbers of instances, as rows, events and the API tell them. */
export type Counts = Record<'min' | 'max' | 'created' | 'running' | 'failed', number>

const NAMES = ['min', 'max', 'created', 'running', 'failed'] as const

export function sameCounts(a: Counts | null, b: Counts): boolean {
  return a !== null && NAMES.every((name) => a[name] === b[name])
}
