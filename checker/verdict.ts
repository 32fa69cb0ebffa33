/** One fact that breaks an invariant. */
export interface Violation {
  /** What it is about: a message, a request, an instance, a project, a place in a text. */
  subject: string
  /** What was expected and what was found. Holds no secret. */
  message: string
}

/** The invariants I1 to I6 by the names under which their violations are counted. */
export const INVARIANTS = {
  lost: 'I1 nothing lost',
  duplicates: 'I2 no duplicate',
  unfinished: 'I3 everything ends',
  missing_events: 'I4 every event',
  budget_violations: 'I5 the budget',
  secret_leaks: 'I6 no secret',
} as const

export type Invariant = keyof typeof INVARIANTS

export interface Verdict {
  /** No invariant is broken and nothing else is out of order. */
  ok: boolean
  violations: Readonly<Record<Invariant, readonly Violation[]>>
  /** What no invariant covers and still is wrong: a valid message refused, another order sent than was asked for. */
  unexpected: readonly Violation[]
}

/** Numbers of violations, as the reports count them. */
export function countViolations(verdict: Verdict): Record<Invariant, number> {
  const names = Object.keys(INVARIANTS) as Invariant[]
  return Object.fromEntries(names.map((name) => [name, verdict.violations[name].length])) as Record<
    Invariant,
    number
  >
}
