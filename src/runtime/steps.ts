import { type Channel, channel } from 'node:diagnostics_channel'

/**
 * Places on a request's life that others may watch from outside: the diagnostics channel `provisioner:<step>` of
 * Node.js. A step that nobody watches costs a look at a property.
 */
export const STEPS = [
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
  'outbox.handed_out',
  'outbox.confirmed',
  'outbox.removed',
] as const

export type Step = (typeof STEPS)[number]

const channels = Object.fromEntries(STEPS.map((step) => [step, channel(channelName(step))])) as Record<
  Step,
  Channel
>

export function channelName(step: Step): string {
  return `provisioner:${step}`
}

/** Tells watchers that a step is reached; they run before it goes on. */
export function reached(step: Step): void {
  const watched = channels[step]
  if (watched.hasSubscribers) watched.publish({ step })
}
