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
  'dispatch.sent',
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
