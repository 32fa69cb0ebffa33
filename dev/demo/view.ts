import type { Progress, ProjectProgress } from './progress.ts'
import type { Paint, Style } from './screen.ts'

/** States in the order of a request's life, with their colours. */
export const STATE_STYLES: readonly (readonly [state: string, style: Style])[] = [
  ['queued', 'dim'],
  ['dispatching', 'blue'],
  ['uncertain', 'magenta'],
  ['provisioning', 'cyan'],
  ['running', 'green'],
  ['partially_running', 'yellow'],
  ['failed', 'red'],
  ['expired', 'dim'],
  ['cancelled', 'dim'],
]

const BAR = 36
const METER = 12
/** More projects are summed up, so that the frame fits a terminal of 24 lines. */
const PROJECT_ROWS = 6

export interface Frame {
  progress: Progress
  /** Valid requests published. */
  requests: number
  seconds: number
  paint: Paint
}

/** The live area: at most 78 columns and 20 lines. */
export function drawProgress({ progress, requests, seconds, paint }: Frame): string[] {
  const { states, ended, instances } = progress
  const shown = STATE_STYLES.filter(([state]) => state !== 'cancelled' || (states[state] ?? 0) > 0)
  const rows = shown.map(([state, style]) => {
    const count = states[state] ?? 0
    return `  ${state.padEnd(18)} ${String(count).padStart(6)}  ${paint(style, bar(count / requests, BAR))}`
  })
  return [
    '',
    `  ${paint('bold', `${ended} of ${requests} requests ended`)}${paint('dim', ` after ${seconds.toFixed(1)} s`)}`,
    '',
    ...rows,
    '',
    ...projectRows(progress.projects, paint),
    '',
    `  ${progress.calls} calls (${progress.callsPerSecond.toFixed(0)}/s), ${progress.throttled} throttled` +
      `   ${instances.running} of ${instances.created} servers run`,
    `  ${progress.events} events received   ${progress.deadLetters} dead letters`,
  ]
}

/** The same in one line, for outputs that are no terminal. */
export function describeProgress({ progress, requests, seconds }: Omit<Frame, 'paint'>): string {
  const states = STATE_STYLES.flatMap(([state]) =>
    progress.states[state] ? [`${state} ${progress.states[state]}`] : [],
  )
  const tokens = progress.projects.reduce((sum, project) => sum + project.tokens, 0)
  return [
    `${seconds.toFixed(1).padStart(6)} s  ${progress.ended}/${requests} ended`,
    states.join(', ') || 'nothing stored yet',
    `${progress.callsPerSecond.toFixed(0)} calls/s`,
    `${tokens.toFixed(0)} tokens`,
    `${progress.events} events`,
    `${progress.deadLetters} dead letters`,
  ].join(' | ')
}

function projectRows(projects: readonly ProjectProgress[], paint: Paint): string[] {
  const shown = projects.length > PROJECT_ROWS ? projects.slice(0, PROJECT_ROWS - 1) : projects
  const rows = shown.map(({ projectId, tokens, burst, callsPerSecond, queued }) => {
    const level = `${tokens.toFixed(1).padStart(6)}/${burst}`.padEnd(11)
    const pace = `${callsPerSecond.toFixed(1).padStart(6)} calls/s`
    return `  ${projectId.padEnd(18)} ${meter(tokens / burst, paint)} ${level} ${pace}   ${queued} queued`
  })
  const rest = projects.slice(shown.length)
  if (rest.length > 0) {
    const pace = rest.reduce((sum, project) => sum + project.callsPerSecond, 0)
    const queued = rest.reduce((sum, project) => sum + project.queued, 0)
    rows.push(
      paint('dim', `  and ${rest.length} more projects: ${pace.toFixed(1)} calls/s, ${queued} queued`),
    )
  }
  return [paint('dim', `  ${'project'.padEnd(18)} ${'bucket, tokens left'.padEnd(METER + 12)}`), ...rows]
}

function meter(share: number, paint: Paint): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * METER)
  return paint('yellow', '■'.repeat(full)) + paint('dim', '·'.repeat(METER - full))
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** A bar of `share` of the width, exact to an eighth of a column; something above nothing always shows. */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8)
  const shown = share > 0 ? Math.max(1, eighths) : 0
  return '█'.repeat(shown >> 3) + (EIGHTHS[shown & 7] ?? '')
}
