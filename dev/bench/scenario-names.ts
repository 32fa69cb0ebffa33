export const SCENARIO_NAMES = [
  'intake',
  'end_to_end',
  'latency',
  'limiter',
  'history',
  'held_snapshot',
  'backlog',
  'flood',
  'polling',
  'forecast',
  'outbox',
  'start',
  'idle',
  'status',
  'overview',
  'hostile',
] as const

export type ScenarioName = (typeof SCENARIO_NAMES)[number]
