import { STEPS, type Step } from '../../src/runtime/steps.ts'

/** A step of a request's life, which pass of it (1 is the first), and the signal that the process then sends itself. */
export interface FaultPlan {
  step: Step
  pass: number
  signal: 'SIGKILL' | 'SIGSTOP'
}

/**
 * Reads `step:pass:kill` or `step:pass:stop`.
 * @throws {Error} when the text is no such plan
 */
export function parseFaultPlan(text: string): FaultPlan {
  const [name, pass, action] = text.split(':')
  const step = STEPS.find((known) => known === name)
  if (step === undefined) throw new Error(`names no step; known are ${STEPS.join(', ')}`)
  if (pass === undefined || !/^[1-9]\d{0,8}$/.test(pass))
    throw new Error('needs the pass, a whole number from 1 on')
  if (action !== 'kill' && action !== 'stop') throw new Error('must end with :kill or :stop')
  return { step, pass: Number(pass), signal: action === 'kill' ? 'SIGKILL' : 'SIGSTOP' }
}
