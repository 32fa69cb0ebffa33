import { isoTime } from './clock.ts'
import type { InstanceSpec } from './validate.ts'

export const instanceStates = [
  'pending',
  'running',
  'stopped',
  'error',
  'shutting-down',
  'terminated',
] as const
export type InstanceState = (typeof instanceStates)[number]

/**
 * An instance is its spec and the times at which things happen to it. Its state at a moment follows from these
 * times, so a boot needs no timer. Times are the clock's milliseconds.
 */
export type Instance = {
  /** 1, 2, 3 ... over all projects, in order of creation. */
  seq: number
  id: string
  project: string
  serverId: string
  /** The ledger's number of the call that created it. */
  call: number
  /** Shared by all instances of a batch. */
  spec: InstanceSpec
  createdAt: number
  /** End of the boot: running, or error when `bootFails`. Infinity: never, as after a deletion while pending. */
  bootAt: number
  bootFails: boolean
  stoppedAt: number | null
  deletedAt: number | null
  /** Terminated from here on; null while it is not being deleted. */
  goneAt: number | null
  /** Not listed before. */
  visibleAt: number
}

export function stateOf(instance: Instance, now: number): InstanceState {
  if (instance.goneAt !== null) return now < instance.goneAt ? 'shutting-down' : 'terminated'
  if (now < instance.bootAt) return 'pending'
  if (instance.bootFails) return 'error'
  return instance.stoppedAt === null ? 'running' : 'stopped'
}

/** When the boot succeeded, or null if it has not (yet). */
export const runningAt = (instance: Instance, now: number): number | null =>
  instance.bootFails || now < instance.bootAt ? null : instance.bootAt

/** The answer of ShowInstanceStatus; `error` only in state error. */
export function statusOf(instance: Instance, now: number) {
  const state = stateOf(instance, now)
  return {
    state,
    operation_state: operationStates[state],
    ...(state === 'error' ? { error: bootError(instance) } : {}),
  }
}

/** Its interfaces, with an address each from the end of the boot on. */
export function interfacesOf(instance: Instance, now: number): InstanceSpec['network_interfaces'] {
  const { seq, spec } = instance
  if (runningAt(instance, now) === null) return spec.network_interfaces
  return spec.network_interfaces.map((one, index) => ({
    ipv4_address: `10.${128 * index + ((seq >> 16) & 127)}.${(seq >> 8) & 255}.${seq & 255}`,
    ...one,
  }))
}

/** An entry of ListInstances. A pending instance has not launched: `launched_at` is "". */
export function describeInstance(instance: Instance, now: number) {
  const { spec } = instance
  const launched = runningAt(instance, now)
  return {
    id: instance.id,
    name: spec.name,
    vpc_id: spec.vpc_id,
    network_interfaces: interfacesOf(instance, now),
    tags: [],
    image: { id: spec.image_id, name: `image-${spec.image_id.slice(0, 8)}`, os_type: 'Linux' },
    description: spec.description,
    ...statusOf(instance, now),
    metadata: spec.metadata,
    server_id: instance.serverId,
    created_at: isoTime(instance.createdAt),
    updated_at: isoTime(lastChange(instance, now)),
    launched_at: launched === null ? '' : isoTime(launched),
  }
}

const operationStates: Record<InstanceState, string> = {
  pending: 'install-processing',
  running: 'install-succeed',
  stopped: 'install-succeed',
  error: 'install-failed',
  'shutting-down': 'uninstall-processing',
  terminated: 'uninstall-succeed',
}

const bootError = (instance: Instance) => ({
  error_code: 'iMetal.0110',
  error_msg: `Inspect Physical servers error: [${instance.serverId}], the server did not boot`,
  error_type: 'create_instance_error',
})

function lastChange(instance: Instance, now: number): number {
  const { createdAt, bootAt, stoppedAt, deletedAt, goneAt } = instance
  const past = (at: number | null) => (at !== null && at <= now ? at : createdAt)
  return Math.max(past(bootAt), past(stoppedAt), past(deletedAt), past(goneAt))
}
