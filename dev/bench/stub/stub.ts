import { v7 as uuidv7 } from 'uuid'
import { monotonicMs } from '../clock.ts'
import { type StubReply, type StubRequest, serve } from './http-lines.ts'

/** What the stub has seen since the last reset. Times on the machine's monotonic clock. */
export interface StubRecord {
  calls: { at: number[]; project: string[]; name: string[] }
  lists: { at: number[]; project: string[]; ids: number[] }
  /** Counts of the ready servers. */
  readings: { at: number[]; project: string[] }
  /** When an instance was first listed as running. */
  running: Record<string, number>
}

/** Of all instances: what bench orders ask for. */
export const IMAGE_ID = '5f2b1d6e-0c4a-4b7e-9a51-7d1c3e8f2a60'

export interface StubSettings {
  /** All instances stay pending until this is taken back. */
  held: boolean
  /** An instance runs so long after its creation, in milliseconds. */
  runAfterMs: number
  /** Where there are any, an instance takes one of these times to run, by its id, and is listed with both times. */
  boots: number[]
  /** Whether `running` is filled. */
  recordRunning: boolean
}

/**
 * The least that passes for CloudDC: batch-create answers 202 with fresh ids, and a listing by ids tells of each id
 * it is asked for that it runs. It keeps no instances: an id holds its time of birth. There is always a million of ready
 * servers. Control lies under /bench.
 */
export async function startStub(): Promise<string> {
  let settings: StubSettings = { held: false, runAfterMs: 0, boots: [], recordRunning: false }
  let record = emptyRecord()

  const create = (path: string, body: string): StubReply => {
    const { name, max_count: count = 1 } = JSON.parse(body) as { name: string; max_count?: number }
    record.calls.at.push(monotonicMs())
    record.calls.project.push(projectOf(path))
    record.calls.name.push(name)
    let ids = ''
    for (let n = 0; n < count; n += 1) ids += `${n === 0 ? '' : ','}{"id":"${uuidv7()}"}`
    return { status: 202, body: `{"instances":[${ids}]}` }
  }

  const list = (path: string): StubReply => {
    const at = monotonicMs()
    const now = Date.now()
    const filter = decodeURIComponent(/[?&]instance_id=([^&]*)/.exec(path)?.[1] ?? '')
    const ids = filter === '' ? [] : filter.split(',')
    record.lists.at.push(at)
    record.lists.project.push(projectOf(path))
    record.lists.ids.push(ids.length)
    let instances = ''
    for (const id of ids) {
      const { boots } = settings
      const bootMs = boots.length > 0 ? bootMsOf(id, boots) : settings.runAfterMs
      const runs = !settings.held && now - bornAt(id) >= bootMs
      if (runs && settings.recordRunning) record.running[id] ??= at
      const state = runs
        ? `"state":"running","server_id":"server-${id}"`
        : '"state":"pending","server_id":null'
      instances += `${instances === '' ? '' : ','}{"id":"${id}","name":"bench",${state},"image":{"id":"${IMAGE_ID}"},${boots.length > 0 ? timesOf(id, runs ? bootMs : null) : ''}"network_interfaces":[{"subnet_id":"subnet-1"}],"metadata":{}}`
    }
    return { status: 200, body: `{"instances":[${instances}],"page_info":{},"count":${ids.length}}` }
  }

  const countServers = (path: string): StubReply => {
    record.readings.at.push(monotonicMs())
    record.readings.project.push(projectOf(path))
    return { status: 200, body: '{"server_manage_state":{"ready":1000000,"in-use":0}}' }
  }

  const control = ({ method, path, body }: StubRequest): StubReply => {
    if (path === '/bench/record') return { status: 200, body: JSON.stringify(record) }
    if (path === '/bench/counts') {
      return {
        status: 200,
        body: JSON.stringify({ calls: record.calls.at.length, lists: record.lists.at.length }),
      }
    }
    if (method === 'PUT') settings = { ...settings, ...(JSON.parse(body) as Partial<StubSettings>) }
    if (path === '/bench/reset') record = emptyRecord()
    return { status: 200, body: '{}' }
  }

  return serve((request) => {
    if (request.path.startsWith('/bench/')) return control(request)
    if (request.method === 'POST') return create(request.path, request.body)
    return request.path.endsWith('/physicalservers/status') ? countServers(request.path) : list(request.path)
  })
}

function emptyRecord(): StubRecord {
  return {
    calls: { at: [], project: [], name: [] },
    lists: { at: [], project: [], ids: [] },
    readings: { at: [], project: [] },
    running: {},
  }
}

/** /v1/{project}/... */
function projectOf(path: string): string {
  return path.slice(4, path.indexOf('/', 4))
}

function timesOf(id: string, bootMs: number | null): string {
  const time = (ms: number) => new Date(bornAt(id) + ms).toISOString()
  return `"created_at":"${time(0)}","launched_at":"${bootMs === null ? '' : time(bootMs)}",`
}

/** How long the instance of that id takes to run, in milliseconds. */
export function bootMsOf(id: string, boots: readonly number[]): number {
  return boots[Number.parseInt(id.slice(-8), 16) % boots.length] ?? 0
}

/** The first 48 bits of a UUIDv7 are its milliseconds since 1970. */
export function bornAt(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
}
