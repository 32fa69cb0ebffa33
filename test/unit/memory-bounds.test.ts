import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { boundMemory, MEMORY_BOUNDS } from '../../src/runtime/memory-bounds.ts'

/** The options of a process that has bounded itself, and the rest of its command line. */
function started(options: string[], env: NodeJS.ProcessEnv = {}): { execArgv: string[]; argv: string[] } {
  const program = `
    import { boundMemory } from ${JSON.stringify(new URL('../../src/runtime/memory-bounds.ts', import.meta.url).href)}
    boundMemory(process)
    console.log(JSON.stringify({ execArgv: process.execArgv, argv: process.argv.slice(1) }))`
  const args = [...options, '--input-type=module', '--eval', program, 'one', 'two']
  return JSON.parse(execFileSync(process.execPath, args, { env, encoding: 'utf8' }))
}

describe('the memory of a process', () => {
  test('is bounded however it was started, and all else stays', () => {
    const { execArgv, argv } = started(['--no-deprecation'])
    expect(execArgv).toEqual(expect.arrayContaining([...MEMORY_BOUNDS, '--no-deprecation']))
    expect(argv).toEqual(['one', 'two'])
  })

  test('is left to bounds that are given', () => {
    expect(started(['--max-old-space-size=300']).execArgv).not.toContain(MEMORY_BOUNDS[0])
    expect(started([], { NODE_OPTIONS: '--max_old_space_size=300' }).execArgv).not.toContain(MEMORY_BOUNDS[0])
  })

  test('is left alone where a parent is connected, or the system has no such call', () => {
    const refuse = () => {
      throw new Error('started anew')
    }
    const base = { ...process, execArgv: [], env: {}, argv: ['node', 'x'], execPath: 'node', execve: refuse }
    const like = (changes: object) => ({ ...base, ...changes }) as unknown as NodeJS.Process
    expect(() => boundMemory(like({ connected: false, platform: 'linux' }))).toThrow('started anew')
    boundMemory(like({ connected: true, platform: 'linux' }))
    boundMemory(like({ connected: false, platform: 'win32' }))
    boundMemory(like({ connected: false, platform: 'linux', execve: undefined }))
  })

  test('is bounded from the start by npm start and by the image', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: { start: string } }
    const image = readFileSync('Dockerfile', 'utf8')
    for (const bound of MEMORY_BOUNDS) {
      expect(scripts.start).toContain(bound)
      expect(image).toContain(`"${bound}"`)
    }
  })
})
