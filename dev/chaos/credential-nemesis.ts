import type { SimulatorProcess } from '../simulator-process.ts'
import type { CredentialFault } from './credential-plan.ts'
import type { ChaosAccess } from './credentials.ts'

export interface CredentialNemesisOptions {
  simulator: Pick<SimulatorProcess, 'admin'>
  access: Pick<ChaosAccess, 'key' | 'replaceKey'>
  projectIds: readonly string[]
  /** Runs an action unless another one of the same subject runs; told the name of the fault. */
  alone: (subject: CredentialSubject, name: string, action: () => Promise<unknown>) => Promise<void>
  sleep: (ms: number) => Promise<void>
}

/** Faults of one of these exclude each other. */
export type CredentialSubject = 'tokens' | 'iam' | 'key' | 'storm' | 'clock' | `permission of ${string}`

/** Carries out the faults that strike credentials. */
export function createCredentialNemesis(options: CredentialNemesisOptions) {
  const { simulator, access, projectIds, alone, sleep } = options

  /** A script that strikes every call it matches, for a while. */
  const scripted = async (script: Record<string, unknown>, forMs: number) => {
    const { id } = await simulator.admin<{ id: number }>('POST', 'faults', { ...script, count: null })
    await sleep(forMs)
    // Everything may have been made well by now.
    await simulator.admin('DELETE', `faults/${id}`).catch(() => undefined)
  }
  const keyTrouble = async (fault: CredentialFault) => {
    const key = access.key()
    if (key === null) return
    const tell = (what: string) => simulator.admin('POST', `keys/${key}/${what}`)
    if (fault.how === 'key_withdrawn') await tell('withdraw')
    if (fault.how === 'key_locked') await tell('lock')
    await sleep(fault.forMs)
    if (fault.how === 'key_withdrawn') await tell('restore')
    else access.replaceKey()
  }
  const projectOf = (index: number) => projectIds[index] ?? ''

  return async (fault: CredentialFault): Promise<void> => {
    const { how, forMs } = fault
    switch (how) {
      case 'expiry':
        return alone('tokens', how, async () => {
          await simulator.admin('POST', 'tokens/expire')
          await simulator.admin('POST', 'metadata/expire')
        })
      case 'iam_outage':
        return alone('iam', how, () => scripted({ kind: 'error_before', service: 'iam', status: 503 }, forMs))
      case 'iam_slow':
        return alone('iam', how, () =>
          scripted({ kind: 'latency', service: 'iam', latency_ms: forMs }, forMs),
        )
      case 'key_withdrawn':
      case 'key_locked':
      case 'key_replaced':
        return access.key() === null ? undefined : alone('key', how, () => keyTrouble(fault))
      case 'storm': {
        const body = {
          error_code: 'APIGW.0301',
          error_msg: `Incorrect IAM authentication information: ${fault.words}`,
        }
        return alone('storm', how, () =>
          scripted({ kind: 'error_before', service: 'clouddc', status: 401, body }, forMs),
        )
      }
      case 'clock':
        return alone('clock', how, async () => {
          await simulator.admin('PATCH', 'settings', { clockAheadMs: fault.aheadMs })
          await sleep(forMs)
          await simulator.admin('PATCH', 'settings', { clockAheadMs: 0 })
        })
      case 'permission': {
        const project = projectOf(fault.project)
        return alone(`permission of ${project}`, how, async () => {
          await simulator.admin('POST', `projects/${project}/withdraw`)
          await sleep(forMs)
          await simulator.admin('POST', `projects/${project}/restore`)
        })
      }
      case 'servers_forbidden': {
        const project = projectOf(fault.project)
        const body = { error_code: 'iMetal.0004', error_msg: 'Forbidden' }
        const script = { kind: 'error_before', project, status: 403, body }
        return alone(`permission of ${project}`, how, async () => {
          await Promise.all(
            ['ListServers', 'CountServers'].map((operation) => scripted({ ...script, operation }, forMs)),
          )
        })
      }
    }
  }
}
