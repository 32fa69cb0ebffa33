/**
 * What a Node process gets of this one's environment besides what it is given: where programs are, and where compiled
 * code is kept for the next process, if this one was told.
 */
export function inheritedEnvironment(): Record<string, string> {
  const { PATH, NODE_COMPILE_CACHE } = process.env
  return {
    ...(PATH === undefined ? {} : { PATH }),
    ...(NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }),
  }
}
