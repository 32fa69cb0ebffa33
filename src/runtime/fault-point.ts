/**
 * A named place on a request's way where the chaos run may end or pause the process. Does nothing unless the
 * environment of that run names the point.
 */
export type FaultPoint = (name: FaultPointName) => void

export const FAULT_POINTS = [
  'intake.received',
  'intake.inserted',
  'intake.acknowledging',
  'dispatch.claimed',
  'dispatch.sending',
  'dispatch.answered',
  'dispatch.recorded',
  'readiness.claimed',
  'readiness.observed',
  'readiness.recorded',
  'reconcile.listed',
  'reconcile.recorded',
  'outbox.read',
  'outbox.published',
  'outbox.confirmed',
  'outbox.removed',
] as const

export type FaultPointName = (typeof FAULT_POINTS)[number]

export const noFaultPoint: FaultPoint = () => undefined

/** The point, which pass of it (1 is the first), and the signal that the process then sends itself. */
export interface FaultPlan {
  point: FaultPointName
  pass: number
  signal: 'SIGKILL' | 'SIGSTOP'
}

/**
 * Reads `point:pass:kill` or `point:pass:stop`.
 * @throws {Error} when the text is no such plan
 */
export function parseFaultPlan(text: string): FaultPlan {
  const [name, pass, action] = text.split(':')
  const point = FAULT_POINTS.find((known) => known === name)
  if (point === undefined) throw new Error(`names no fault point; known are ${FAULT_POINTS.join(', ')}`)
  if (pass === undefined || !/^[1-9]\d{0,8}$/.test(pass))
    throw new Error('needs the pass, a whole number from 1 on')
  if (action !== 'kill' && action !== 'stop') throw new Error('must end with :kill or :stop')
  return { point, pass: Number(pass), signal: action === 'kill' ? 'SIGKILL' : 'SIGSTOP' }
}

/** Carries out one plan: the signal takes effect before the call returns. */
export function createFaultPoint(plan: FaultPlan | null): FaultPoint {
  if (plan === null) return noFaultPoint
  let passes = 0
  return (name) => {
    if (name !== plan.point) return
    passes += 1
    if (passes === plan.pass) process.kill(process.pid, plan.signal)
  }
}
