export interface OneByOne {
  /** Resolves as `work` does, which begins when nothing else runs here. */
  run<Result>(work: () => Promise<Result>): Promise<Result>
}

/**
 * Runs pieces of work one at a time, and draws which of those waiting is next. It is for deliveries that came back
 * more than once: should one of them bring the process down each time, half of the others, on average, are done
 * before it each time, and do not reach the delivery limit with it.
 */
export function createOneByOne({ random = Math.random }: { random?: () => number } = {}): OneByOne {
  const waiting: (() => Promise<void>)[] = []
  let running = false

  const drain = async () => {
    running = true
    while (waiting.length > 0) {
      const [next] = waiting.splice(Math.floor(random() * waiting.length), 1)
      await next?.()
    }
    running = false
  }

  return {
    run: (work) =>
      new Promise((resolve, reject) => {
        waiting.push(async () => {
          try {
            resolve(await work())
          } catch (error) {
            reject(error)
          }
        })
        if (!running) void drain()
      }),
  }
}
