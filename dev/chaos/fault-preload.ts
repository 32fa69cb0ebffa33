import { subscribe } from 'node:diagnostics_channel'
import { channelName } from '../../src/runtime/steps.ts'
import { parseFaultPlan } from './fault-plan.ts'

/**
 * Preloaded into a replica of the chaos run (`node --import`): ends or pauses the process at the step that
 * CHAOS_FAULT_PLAN names. The signal takes effect before the step is passed.
 */
const text = process.env.CHAOS_FAULT_PLAN
if (text !== undefined) {
  const plan = parseFaultPlan(text)
  let passes = 0
  subscribe(channelName(plan.step), () => {
    passes += 1
    if (passes === plan.pass) process.kill(process.pid, plan.signal)
  })
}
