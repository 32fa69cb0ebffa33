/**
 * Does work once: whoever asks gets the result of the one time that it succeeded. Those who ask while it is tried share
 * the try and its error; the next to ask begins another.
 */
export function once<Result>(work: () => Promise<Result>): () => Promise<Result> {
  let tried: Promise<Result> | undefined
  return () => {
    tried ??= work().catch((error: unknown) => {
      tried = undefined
      throw error
    })
    return tried
  }
}
