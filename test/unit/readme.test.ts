import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { parseEnv } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readmeRows } from '../../src/cli/help.ts'
import { VERBS } from '../../src/cli/verbs.ts'
import { loadConfig, ROLES } from '../../src/config.ts'
import { EVENT_KINDS, eventDataSchemas } from '../../src/contracts/event-schemas.ts'
import { NEXT_STATES, REQUEST_STATES } from '../../src/request/provision-request.ts'
import { addDatabaseFigures } from '../../src/telemetry/database-figures.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'

/** What the documents say of names, defaults, states and metrics must be what the code has. */

const read = (path: string) => readFileSync(path, 'utf8')
const readme = read('README.md')

/** The cells of the table under a heading, row by row; its head is left out. */
function tableUnder(heading: string, text: string): string[][] {
  const [, section = ''] = text.split(new RegExp(`^#+ ${heading}$`, 'm'))
  const [own = ''] = section.split(/^## /m)
  const rows = own.split('\n').filter((line) => line.startsWith('|'))
  return rows.slice(2).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

/** The names in backticks. */
function namesIn(text: string | undefined): string[] {
  return [...(text ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '')
}

const REQUIRED = {
  DATABASE_URL: 'postgresql://localhost/provisioner',
  AMQP_URL: 'amqp://localhost',
  CLOUDDC_ENDPOINT: 'http://localhost',
  SECRET_KEYS: `k:${Buffer.alloc(32).toString('base64')}`,
}

function shownDefault(value: unknown): string {
  if (value === null || (value instanceof Map && value.size === 0)) return ''
  if (value instanceof Set && ROLES.every((role) => value.has(role))) return 'all'
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value)
}

/** Every setting in the order of the configuration, with its default as the documents show it. */
function settingsWithDefaults(): [name: string, fallback: string][] {
  const { secretFiles: _, credentials: __, accessRules: ___, ...config } = loadConfig(REQUIRED)
  return Object.entries(config).map(([key, value]) => {
    const name = key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
    return [name, name in REQUIRED ? 'required' : shownDefault(value)]
  })
}

describe('the README', () => {
  test('has every setting in its table, with the default that it has', () => {
    const settings = settingsWithDefaults()
    const rows = tableUnder('Configuration', readme)
    expect(rows.map(([name, fallback]) => [namesIn(name)[0], fallback])).toEqual(settings)
    for (const [name, , meaning] of rows) expect(meaning, name).not.toBe('')
  })

  test('names every command there is', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const inner = ['check:types', 'check:lint', 'check:schemas', 'generate', 'prepare']
    const commands = Object.keys(scripts)
      .filter((name) => !inner.includes(name))
      .map((name) => (name === 'test' || name === 'start' ? `npm ${name}` : `npm run ${name}`))
    const named = tableUnder('Commands', readme).map(([command]) => namesIn(command)[0])
    expect(named.toSorted()).toEqual(commands.toSorted())
  })

  test('has every verb of the command line, as its help has it', () => {
    const rows = tableUnder('Command line', readme).map((cells) => `| ${cells.join(' | ')} |`)
    expect(rows).toEqual(readmeRows(VERBS))
  })

  test('names every state', () => {
    expect(tableUnder('States', readme).map(([state]) => namesIn(state)[0])).toEqual(REQUEST_STATES)
  })

  test('names every kind of event, with its data', () => {
    const rows = tableUnder('Events', readme).map(([kind, , data]) => [namesIn(kind)[0], namesIn(data)])
    const kinds = EVENT_KINDS.map((kind) => {
      const members = Object.keys(eventDataSchemas[kind].shape)
      return [kind, members.filter((member) => member !== 'project_id' && member !== 'request_id')]
    })
    expect(rows).toEqual(kinds)
  })
})

describe('.env.example', () => {
  const text = read('.env.example')

  test('has every setting: the required ones first, the others commented out with their defaults', () => {
    const lines = [...text.matchAll(/^(# )?([A-Z_]+)=(.*)$/gm)].map(([, hash, name, value]) => [
      name,
      hash === undefined ? 'required' : value,
    ])
    const isRequired = ([, fallback]: [string, string]) => fallback === 'required'
    const settings = settingsWithDefaults()
    const others = settings.filter((setting) => !isRequired(setting))
    // What migrating alone reads comes last.
    expect(lines).toEqual([...settings.filter(isRequired), ...others, ['MIGRATE_DATABASE_URL', '']])
  })

  test('lacks nothing but the key, which everybody has to make', () => {
    const given = parseEnv(text)
    expect(() => loadConfig(given)).toThrow(/faults:\n {2}SECRET_KEYS: .*$/)
    expect(() => loadConfig({ ...given, SECRET_KEYS: REQUIRED.SECRET_KEYS })).not.toThrow()
  })

  test('says of each setting what it is', () => {
    const bare = [...text.matchAll(/^(?!# (?![A-Z_]+=)\S.*\n)(.*)\n(?:# )?([A-Z_]+)=/gm)]
    expect(bare.map(([, , name]) => name)).toEqual([])
  })
})

describe('the drawing of the states', () => {
  test('has the moves that are legal, and no others', () => {
    const [, drawing = ''] =
      /```mermaid\nstateDiagram-v2\n([\s\S]*?)```/.exec(read('docs/state-machine.md')) ?? []
    const drawn = [...drawing.matchAll(/^\s*(\w+) --> (\w+)/gm)].map(([, from, to]) => `${from} ${to}`)
    const legal = REQUEST_STATES.flatMap((from) => NEXT_STATES[from].map((to) => `${from} ${to}`))
    expect([...new Set(drawn)].toSorted()).toEqual(legal.toSorted())
  })
})

describe('the index of decisions', () => {
  test('has each with its title, date and status', () => {
    const files = globSync('docs/decisions/0*.md').toSorted()
    const decisions = files.map((path) => {
      const [, title, status, date] = /^# (.+)\n\n(\w+), (\d{4}-\d{2}-\d{2})\./.exec(read(path)) ?? [path]
      const file = basename(path)
      return [file.slice(0, 4), `[${title}](${file})`, date, status?.toLowerCase()]
    })
    expect(decisions.length).toBeGreaterThan(0)
    expect(tableUnder('Decisions', read('docs/decisions/README.md'))).toEqual(decisions)
  })
})

describe('the documents', () => {
  const documents = globSync(['*.md', 'docs/**/*.md', '{src,simulator,checker}/**/*.md'])

  test('link to files and headings that are there', () => {
    const broken = documents.flatMap((path) =>
      [...read(path).matchAll(/\]\(([^)\s]+)\)/g)]
        .map((match) => match[1] ?? '')
        .filter((target) => !/^https?:/.test(target) && !leadsSomewhere(path, target))
        .map((target) => `${path}: ${target}`),
    )
    expect(documents.length).toBeGreaterThan(10)
    expect(broken).toEqual([])
  })

  test('name metrics that there are', async () => {
    const metrics = createMetrics()
    const sql = { query: () => Promise.reject(new Error('not asked')) }
    addDatabaseFigures({
      metrics,
      database: { throughPrisma: sql },
      logger: { warn: () => undefined, info: () => undefined } as never,
    })
    const known = (await metrics.registry.getMetricsAsJSON()).map(({ name }) => name)
    const named = documents.flatMap((path) =>
      [...read(path).matchAll(/\bprovisioner_[a-z_]+[a-z]/g)].map(([name]) =>
        name.replace(/_(bucket|sum|count)$/, ''),
      ),
    )
    expect(named.filter((name) => !known.includes(name))).toEqual([])
  })
})

function leadsSomewhere(from: string, target: string): boolean {
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? from : join(dirname(from), path)
  if (!existsSync(file)) return false
  return anchor === undefined || headingsOf(read(file)).includes(anchor)
}

/** As GitHub makes anchors of headings. */
function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}
