/**
 * Compares by id, for sorting rows of different ids: statements that change several rows take them in this order, so
 * that those of several replicas cannot deadlock, and events of one change are told in it.
 */
export function byId(one: { id: string }, other: { id: string }): number {
  return one.id < other.id ? -1 : 1
}
