import { expect, test } from 'vitest'
import { allProcesses, compareCpu, type PipelineRun } from '../../dev/bench/pipeline-run.ts'
import { inTurn } from '../../dev/bench/rounds.ts'

test('each contender begins a round in turn, and one that is null takes no part', async () => {
  const order: string[] = []
  const contender = (name: string) => async () => {
    order.push(name)
    return order.length
  }
  const runs = await inTurn({
    context: {
      bench: undefined as never,
      options: { quick: true, rounds: null, baseline: null, auth: 'token' },
      log: () => undefined,
    },
    rounds: 3,
    contenders: { service: contender('service'), raw: contender('raw'), baseline: null },
    describe: String,
  })
  expect(order).toEqual(['service', 'raw', 'raw', 'service', 'service', 'raw'])
  expect(runs).toEqual({ service: [1, 4, 5], raw: [2, 3, 6], baseline: [] })
})

test('the ratio is the processor time of raw by that of the service, round by round', () => {
  const run = (perSecond: number, node: number): PipelineRun => ({
    perSecond,
    cpuMs: { node, postgres: node, rabbitmq: node },
  })
  const { value, ratio } = compareCpu(
    [run(10, 2), run(20, 4), run(30, 4)],
    [run(9, 1), run(9, 1), run(9, 3)],
    allProcesses,
  )
  expect(value.median).toBe(20)
  expect(ratio.all).toEqual([0.5, 0.25, 0.75])
})
