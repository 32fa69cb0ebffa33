import type { LedgerCall, LedgerInstance } from './evidence.ts'

/** Reads the simulator's ledger over its admin port, page by page. */
export interface LedgerReader {
  /** Calls with `n` above `after`, in order of arrival. Those in flight have no status yet. */
  calls(after?: number): Promise<LedgerCall[]>
  instances(): Promise<LedgerInstance[]>
  stats(): Promise<LedgerStats>
}

export interface LedgerStats {
  calls: number
  in_flight: number
  throttled: number
  operations: Record<string, { calls: number; statuses: Record<string, number> }>
  instances: { created: number; states: Record<string, number> }
}

const PAGE = 5000

export function createLedgerReader(
  admin: <Answer>(method: string, path: string) => Promise<Answer>,
): LedgerReader {
  const readAll = async <Row>(kind: 'calls' | 'instances', from: number): Promise<Row[]> => {
    const rows: Row[] = []
    let after: number | null = from
    while (after !== null) {
      type Page = { next_after: number | null } & Record<typeof kind, Row[]>
      const page: Page = await admin<Page>('GET', `ledger/${kind}?after=${after}&limit=${PAGE}`)
      rows.push(...page[kind])
      after = page.next_after
    }
    return rows
  }
  return {
    calls: (after = 0) => readAll<LedgerCall>('calls', after),
    instances: () => readAll<LedgerInstance>('instances', 0),
    stats: () => admin<LedgerStats>('GET', 'stats'),
  }
}
