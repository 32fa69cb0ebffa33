import { type Compared, ratiosOf } from './rounds.ts'
import { figuresOf, round } from './statistics.ts'

/** Processor milliseconds per request, by where they were spent; NaN where the system does not tell. */
export interface ProcessorMs {
  node: number
  postgres: number
  rabbitmq: number
}

/** One run of a pipeline, the service's or a raw one. */
export interface PipelineRun {
  perSecond: number
  cpuMs: ProcessorMs
}

/** The part of the processor time that a scenario's ratio is about. */
export type CountedCpu = (cpuMs: ProcessorMs) => number

export const allProcesses: CountedCpu = ({ node, postgres, rabbitmq }) => node + postgres + rabbitmq
export const nodeAndPostgres: CountedCpu = ({ node, postgres }) => node + postgres

/**
 * Service against raw by processor time, which is steady where rates are not: the ratio is raw's time by the service's,
 * round by round. The values are requests per second.
 */
export function compareCpu(
  service: readonly PipelineRun[],
  raw: readonly PipelineRun[],
  counted: CountedCpu,
): Compared {
  const cpu = (runs: readonly PipelineRun[]) => runs.map((run) => counted(run.cpuMs))
  return {
    value: figuresOf(service.map((run) => run.perSecond)),
    raw: figuresOf(raw.map((run) => run.perSecond)),
    ratio: ratiosOf(cpu(raw), cpu(service)),
  }
}

/** Medians of the processor time of runs, per request, with their sum as the scenario counts it. */
export function cpuDetails(runs: readonly PipelineRun[], counted: CountedCpu) {
  const median = (read: CountedCpu) => round(figuresOf(runs.map((run) => read(run.cpuMs))).median)
  return {
    requests_per_second: round(figuresOf(runs.map((run) => run.perSecond)).median),
    node_ms: median(({ node }) => node),
    postgres_ms: median(({ postgres }) => postgres),
    rabbitmq_ms: median(({ rabbitmq }) => rabbitmq),
    counted_ms: median(counted),
  }
}

export function describeRun(counted: CountedCpu) {
  return (run: PipelineRun) => `${round(run.perSecond)}/s, ${round(counted(run.cpuMs))} ms of processor`
}
