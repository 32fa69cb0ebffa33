import { findBudgetViolations } from './budget.ts'
import { openCaseFile } from './case-file.ts'
import { findDuplicates, findWrongOrders } from './duplicates.ts'
import { findLateOrders, findSurprisingEnds, findUnfinished, findWrongStatuses } from './endings.ts'
import type { Evidence } from './evidence.ts'
import { findLeaks } from './leaks.ts'
import { findLost, findMisjudged } from './lost.ts'
import { findMissingEvents } from './missing-events.ts'
import type { Verdict } from './verdict.ts'

export interface JudgeOptions {
  /** Whether a request that waits, and says for what and until when, is unfinished too. Default true. */
  demandTerminal?: boolean
}

/** Judges the invariants I1 to I6 by what was seen from outside. Pure. */
export function judge(evidence: Evidence, { demandTerminal = true }: JudgeOptions = {}): Verdict {
  const file = openCaseFile(evidence)
  const violations = {
    lost: findLost(file),
    duplicates: findDuplicates(file),
    unfinished: findUnfinished(file, { demandTerminal }),
    missing_events: findMissingEvents(file),
    budget_violations: findBudgetViolations(file),
    secret_leaks: findLeaks(file),
  }
  const unexpected = [
    ...findMisjudged(file),
    ...findWrongOrders(file),
    ...findLateOrders(file),
    ...findSurprisingEnds(file),
    ...findWrongStatuses(file),
  ]
  const ok = unexpected.length === 0 && Object.values(violations).every((list) => list.length === 0)
  return { ok, violations, unexpected }
}
