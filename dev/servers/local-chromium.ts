import { findProgram } from './packages.ts'

/** Path of a browser, which is not needed to run anything here: undefined where none is installed. */
export function findChromium(): string | undefined {
  return findProgram('chromium') ?? findProgram('chromium-browser') ?? findProgram('google-chrome')
}
