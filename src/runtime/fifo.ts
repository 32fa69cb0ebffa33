/** A queue whose `shift` costs the same however long it is; that of an array moves all that is left. */
export function createFifo<T>() {
  let items: (T | undefined)[] = []
  let head = 0
  return {
    push(item: T): void {
      items.push(item)
    },
    peek: (): T | undefined => items[head],
    shift(): T | undefined {
      const item = items[head]
      if (head === items.length) return undefined
      items[head] = undefined
      head += 1
      if (head > 1024 && head * 2 > items.length) {
        items = items.slice(head)
        head = 0
      }
      return item
    },
    size: (): number => items.length - head,
  }
}
