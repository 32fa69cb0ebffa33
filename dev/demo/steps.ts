import type { Screen } from './screen.ts'

/** Runs the steps of the start, each with its name, a sign of life, and the time it took. */
export interface Steps {
  run<Result>(name: string, action: (detail: (text: string) => void) => Promise<Result>): Promise<Result>
  /** Seconds that all steps took so far. */
  seconds(): number
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const FRAME_MS = 100
const NAME_WIDTH = 62

export function createSteps({ screen, signal }: { screen: Screen; signal: AbortSignal }): Steps {
  const { paint } = screen
  let totalMs = 0
  return {
    seconds: () => totalMs / 1000,
    run: async (name, action) => {
      signal.throwIfAborted()
      const startedAt = performance.now()
      const elapsed = () => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`
      let detail = ''
      let frame = 0
      const draw = () => {
        frame += 1
        const spinner = paint('cyan', FRAMES[frame % FRAMES.length] ?? '')
        const shown = detail === '' ? name : `${name}: ${detail}`
        screen.draw([
          `  ${spinner} ${shown.slice(0, NAME_WIDTH).padEnd(NAME_WIDTH)} ${elapsed().padStart(8)}`,
        ])
      }
      const redrawing = setInterval(draw, FRAME_MS)
      draw()
      try {
        const result = await abortable(
          action((text) => {
            detail = text
            if (!screen.live) screen.line(`    ${text}`)
          }),
          signal,
        )
        screen.line(
          `  ${paint('green', '✔')} ${name.padEnd(NAME_WIDTH)} ${paint('dim', elapsed().padStart(8))}`,
        )
        return result
      } catch (error) {
        const mark = signal.aborted ? paint('dim', '·') : paint('red', '✘')
        screen.line(`  ${mark} ${name.padEnd(NAME_WIDTH)} ${paint('dim', elapsed().padStart(8))}`)
        throw error
      } finally {
        clearInterval(redrawing)
        totalMs += performance.now() - startedAt
      }
    },
  }
}

/** The action's result, or at once a rejection when the signal comes first; the action then ends unobserved. */
function abortable<Result>(action: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    action.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
