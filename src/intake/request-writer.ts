import type { ProvisionCommand } from '../contracts/request-message.ts'
import { requestKey } from '../request/request-key.ts'
import { reached } from '../runtime/steps.ts'
import type { PasswordDigester } from '../secrets/digest.ts'
import { openIfPossible, type Sealer, sealContext } from '../secrets/seal.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { NewRequest } from './new-request.ts'
import type { InsertOutcome, RequestStore } from './request-store.ts'
import { type WriteRetry, writeEach } from './write-retry.ts'

/** A valid message on its way into the database. */
export interface Entry {
  command: ProvisionCommand
  row: NewRequest
}

export type EntryOutcome =
  | { kind: 'stored' }
  /** The key is taken by the same content. */
  | { kind: 'duplicate' }
  /** The key is taken by other content, or by the same with another password. */
  | { kind: 'conflict'; differs: 'content' | 'password' }
  | { kind: 'refused'; error: unknown }
  | { kind: 'stopped' }

type RowOutcome = InsertOutcome | Extract<EntryOutcome, { kind: 'refused' | 'stopped' }>

export interface RequestWriterOptions {
  store: RequestStore
  retry: WriteRetry
  sealer: Sealer
  passwordDigester: PasswordDigester
  metrics: Metrics['intake']
  /** Called after rows were stored. */
  onStored: (rows: number) => void
}

export interface RequestWriter {
  /** Writes entries, whatever their keys, and says what became of each; never rejects for a reason of theirs. */
  write(entries: readonly Entry[]): Promise<EntryOutcome[]>
}

export function createRequestWriter(options: RequestWriterOptions): RequestWriter {
  const { store, retry, sealer, passwordDigester, metrics, onStored } = options

  const insert = async (rows: readonly NewRequest[]): Promise<RowOutcome[]> => {
    const results = await writeEach(retry, rows, store.insertRequests)
    return results.map((result) => (result.kind === 'written' ? result.value : result))
  }

  /** Where nothing is left of the other password that could be compared, the content alone counts. */
  const hasPassword = (
    command: ProvisionCommand,
    { sealedPassword, passwordDigest }: InsertOutcome & { kind: 'existing' },
  ): boolean => {
    if (sealedPassword !== null) {
      const other = openIfPossible(sealer, sealedPassword, sealContext(command.projectId, command.requestId))
      if (other !== undefined) return other === command.password
    }
    return passwordDigest === null || passwordDigester.matches(command, passwordDigest)
  }

  const compare = (
    command: ProvisionCommand,
    row: NewRequest,
    other: InsertOutcome & { kind: 'existing' },
  ): EntryOutcome => {
    if (!row.contentDigest.equals(other.contentDigest)) return { kind: 'conflict', differs: 'content' }
    return hasPassword(command, other) ? { kind: 'duplicate' } : { kind: 'conflict', differs: 'password' }
  }

  const write = async (entries: readonly Entry[]): Promise<EntryOutcome[]> => {
    const firsts = new Map<string, Entry>()
    for (const entry of entries) {
      const key = requestKey(entry.row)
      if (!firsts.has(key)) firsts.set(key, entry)
    }
    const rows = [...firsts.values()].map(({ row }) => row)
    const startedAt = performance.now()
    const outcomes = await insert(rows)
    metrics.insertSeconds.observe((performance.now() - startedAt) / 1000)
    metrics.batchSize.observe(rows.length)
    reached('intake.inserted')
    const stored = outcomes.filter(({ kind }) => kind === 'inserted').length
    // Also where all were there: an earlier try may have stored them, and lost its answer.
    if (outcomes.some(({ kind }) => kind === 'inserted' || kind === 'existing')) onStored(stored)

    const byKey = new Map([...firsts.keys()].map((key, index) => [key, outcomes[index]]))
    return Promise.all(
      entries.map(async (entry): Promise<EntryOutcome> => {
        const outcome = byKey.get(requestKey(entry.row))
        const first = firsts.get(requestKey(entry.row))
        if (outcome === undefined || first === undefined)
          throw new Error('the store has not answered for every row')
        if (outcome.kind === 'existing') return compare(entry.command, entry.row, outcome)
        if (outcome.kind === 'inserted') {
          return first === entry
            ? { kind: 'stored' }
            : compare(entry.command, entry.row, { kind: 'existing', ...first.row })
        }
        // If the database refuses the first of a key, it need not refuse the others.
        if (outcome.kind === 'refused' && first !== entry) return (await write([entry]))[0] ?? outcome
        return outcome
      }),
    )
  }

  return { write }
}
