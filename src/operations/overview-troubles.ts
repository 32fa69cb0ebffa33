import type { Overview } from './overview-reply.ts'
import type { LastPolls } from './overview-standing.ts'

type Trouble = Overview['troubles'][number]

/** Work that is this late does not get on by itself. */
const OVERDUE_SECONDS = 60
/** So is an event. */
const EVENT_OVERDUE_MS = 60_000
/** Reasons for which a project closes for a while and opens by itself. */
const PASSING: readonly string[] = ['throttled']
const NAMES_SHOWN = 3

export interface Standing extends Omit<Overview, 'troubles' | 'rates' | 'waiting' | 'failures' | 'changes'> {
  /** Projects by the reason why they are closed, shown or not; those of a refused credential are not among them. */
  closed: Readonly<Record<string, number>>
  /** What polls met last. */
  polls: LastPolls
  /** Each role that some replica must have. */
  roles: readonly string[]
  /** Whether this replica has its link to the broker. */
  brokerReady: boolean
}

/** What is not as it should be, what is broken first. Pure. */
export function troublesOf(standing: Standing): Trouble[] {
  const found = [
    ...rolesMissing(standing),
    ...silentReplicas(standing),
    ...overdueDuties(standing),
    ...brokerTrouble(standing),
    ...stuckEvents(standing),
    ...failingPolls(standing),
    ...refusedCredentials(standing),
    ...closedProjects(standing),
    ...pauses(standing),
    ...uncertain(standing),
    ...deadLetters(standing),
  ]
  return [...found.filter(isBroken), ...found.filter((trouble) => !isBroken(trouble))]
}

const isBroken = ({ severity }: Trouble) => severity === 'broken'

const trouble = (
  severity: Trouble['severity'],
  code: Trouble['code'],
  message: string,
  since: Date | null = null,
): Trouble => ({ severity, code, message, since })

const some = (n: number, one: string, many = `${one}s`) => `${n} ${n === 1 ? one : many}`

function rolesMissing({ replicas, roles }: Standing): Trouble[] {
  const filled = new Set(replicas.filter(({ silent }) => !silent).flatMap((replica) => replica.roles))
  const missing = roles.filter((role) => !filled.has(role))
  return missing.map((role) => trouble('broken', 'role_missing', `no replica has the role ${role}`))
}

function silentReplicas({ replicas }: Standing): Trouble[] {
  const silent = replicas.filter((replica) => replica.silent)
  return silent.map(({ host, id, seen_at }) =>
    trouble('watch', 'replica_silent', `replica ${host || id} is silent: its work is taken over`, seen_at),
  )
}

function overdueDuties({ duties, read_at }: Standing): Trouble[] {
  return duties
    .filter(({ duty, overdue_seconds }) => duty !== 'relay' && overdue_seconds >= OVERDUE_SECONDS)
    .map(({ duty, overdue_seconds }) => {
      const since = new Date(Math.floor(read_at.getTime() / 1000 - overdue_seconds) * 1000)
      return trouble('broken', 'duty_overdue', `${duty} is behind: nobody does what is due`, since)
    })
}

function brokerTrouble({ brokerReady }: Standing): Trouble[] {
  return brokerReady
    ? []
    : [trouble('broken', 'broker_unreachable', 'the replica that answers has no link to RabbitMQ')]
}

function stuckEvents({ open, read_at }: Standing): Trouble[] {
  const { events, oldest_event_at: oldest } = open
  if (oldest === null || read_at.getTime() - oldest.getTime() < EVENT_OVERDUE_MS) return []
  return [trouble('broken', 'outbox_stuck', `${some(events, 'event')} wait to be published`, oldest)]
}

function failingPolls({ open, polls: { answered, failed } }: Standing): Trouble[] {
  if (failed === 0 || open.provisioning === 0) return []
  return answered === 0
    ? [
        trouble(
          'broken',
          'polls_fail',
          'CloudDC does not tell of instances: servers that run are not noticed',
        ),
      ]
    : [
        trouble(
          'watch',
          'polls_fail',
          `${failed} of ${answered + failed} calls that asked for instances failed`,
        ),
      ]
}

function refusedCredentials({ budgets }: Standing): Trouble[] {
  return budgets.credentials.flatMap(({ credential_id: id, closed_reason: reason, projects }) =>
    reason === null
      ? []
      : [
          trouble(
            'broken',
            'credential_refused',
            `the credential ${id} is refused (${reason}): ${some(projects, 'project')} wait for it`,
          ),
        ],
  )
}

function closedProjects({ budgets, closed }: Standing): Trouble[] {
  const refused = budgets.credentials.flatMap((one) =>
    one.closed_reason === null ? [] : [one.credential_id],
  )
  const own = budgets.projects.filter(({ credential_id: id }) => id === null || !refused.includes(id))
  return Object.entries(closed).map(([reason, n]) => {
    const shown = own.filter(({ closed_reason }) => closed_reason === reason)
    const names = shown.slice(0, NAMES_SHOWN).map(({ project_id }) => project_id)
    const more = n > names.length ? [...names, '...'] : names
    const which = names.length === 0 ? '' : `: ${more.join(', ')}`
    const severity = PASSING.includes(reason) ? 'watch' : 'broken'
    return trouble(
      severity,
      'projects_closed',
      `${some(n, 'project is', 'projects are')} closed (${reason})${which}`,
    )
  })
}

function pauses({ budgets }: Standing): Trouble[] {
  const { paused, totals } = budgets
  if (paused !== null) {
    const { who, reason, since } = paused
    return [trouble('watch', 'paused', `all projects are paused by ${who}: ${reason}`, since)]
  }
  const n = totals.paused
  return n === 0 ? [] : [trouble('watch', 'paused', `${some(n, 'project is', 'projects are')} paused`)]
}

function uncertain({ uncertain: { count, oldest_at, sample } }: Standing): Trouble[] {
  if (count === 0) return []
  const manual = sample.filter(({ needs_person }) => needs_person).length
  const rest = manual === 0 ? '' : `; ${some(manual, 'of them needs', 'of them need')} a person`
  return [
    trouble(
      'watch',
      'uncertain',
      `${some(count, 'call has', 'calls have')} an unknown outcome${rest}`,
      oldest_at,
    ),
  ]
}

function deadLetters({ dead_letters: { in_queue: n } }: Standing): Trouble[] {
  if (n === null || n === 0) return []
  return [
    trouble('watch', 'dead_letters', `${some(n, 'letter waits', 'letters wait')} in provision.requests.dead`),
  ]
}
