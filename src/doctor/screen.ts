import { type Finding, isSound } from './finding.ts'

/** Whether an order would work, by what was found. */
export function works(findings: readonly Finding[]): boolean {
  return findings.every(isSound)
}

/** All findings for a terminal, the remedies below those that need one. */
export function screenOf(projectId: string, findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ name }) => name.length))
  const indent = ' '.repeat(2 + 9 + width + 2)
  const lines = findings.flatMap(({ name, state, says, next }) => [
    `  ${state.padEnd(9)}${name.padEnd(width)}  ${says.replaceAll('\n', `\n${indent}`)}`,
    ...(next === null ? [] : [`${indent}-> ${next}`]),
  ])
  const faults = findings.filter(({ state }) => state === 'fault').length
  const verdict = works(findings)
    ? `An order of project ${projectId} would work.`
    : `An order of project ${projectId} would not work: ${faults} ${faults === 1 ? 'fault' : 'faults'}.`
  return [...lines, '', verdict].join('\n')
}
