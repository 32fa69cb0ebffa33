import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** From fast statements to slow calls, in seconds. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
/** From a poll's delay to a provisioning that takes an hour, in seconds. */
const LONG_SECONDS = [1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600]
const BATCH = [1, 2, 5, 10, 20, 50, 100, 200, 500]

/**
 * The promises that a running service can see broken. Every count above 0 is an alarm. A message that was lost, a
 * window of the budget exceeded and a secret shown can be seen from outside alone: that is for checker.
 */
export const INVARIANTS = ['duplicate', 'stuck', 'missing_event'] as const
export type Invariant = (typeof INVARIANTS)[number]

export type Metrics = ReturnType<typeof createMetrics>

/**
 * All metrics of one process, in a registry of its own. No label holds a project, a request or an instance: their
 * number has no bound. Each group below belongs to the folder of that name; figures about rows are read from the
 * database at scrape time (database-figures.ts).
 */
export function createMetrics() {
  const registry = new Registry()
  const registers = [registry]

  const counter = <Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ) => new Counter<Label>({ name: `provisioner_${name}`, help, labelNames: [...labelNames], registers })
  const gauge = <Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ) => new Gauge<Label>({ name: `provisioner_${name}`, help, labelNames: [...labelNames], registers })
  const histogram = <Label extends string = never>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly Label[] = [],
  ) =>
    new Histogram<Label>({
      name: `provisioner_${name}`,
      help,
      buckets,
      labelNames: [...labelNames],
      registers,
    })

  // Watching the event loop every 10 ms, as is the default, is half of what an idle process costs.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 50 })

  const invariantViolations = counter(
    'invariant_violations_total',
    `Broken promises seen by this process: ${INVARIANTS.join(', ')}`,
    ['invariant'],
  )
  for (const invariant of INVARIANTS) invariantViolations.inc({ invariant }, 0)

  return {
    registry,
    invariantViolations,

    intake: {
      messages: counter(
        'intake_messages_total',
        'Request messages by what became of them: stored, duplicate, dead_lettered, requeued',
        ['result'],
      ),
      batchSize: histogram('intake_batch_messages', 'Messages stored by one insert', BATCH),
      insertSeconds: histogram('intake_insert_seconds', 'Duration of one insert with its commit', SECONDS),
      unsettled: gauge('intake_unsettled_messages', 'Deliveries in hand, neither acknowledged nor returned'),
      stuck: gauge(
        'intake_stuck_deliveries',
        'Deliveries not acknowledged for more than a minute in which database and broker were fine',
      ),
      paused: gauge('intake_paused', '1 while consuming is paused because the database is unreachable'),
      deadLetters: counter('dead_letters_total', 'Messages dead-lettered and confirmed, by rejection code', [
        'code',
      ]),
    },

    requests: {
      ended: counter(
        'requests_ended_total',
        'Requests that ended, by state: running, partially_running, failed, expired, cancelled',
        ['state'],
      ),
    },

    dispatch: {
      claimSeconds: histogram('dispatch_claim_seconds', 'Duration of one claim with its tokens', SECONDS),
      claimed: counter('dispatch_claimed_requests_total', 'Requests claimed, each with a token'),
      tokensTaken: counter(
        'dispatch_tokens_taken_total',
        'Tokens taken from the buckets for any kind of call',
      ),
      calls: counter(
        'dispatch_calls_total',
        'batch-create calls by outcome (created, not_created, unknown) and reason',
        ['outcome', 'reason'],
      ),
      callSeconds: histogram('dispatch_call_seconds', 'Duration of one batch-create call', SECONDS, [
        'outcome',
      ]),
      inFlight: gauge('dispatch_calls_in_flight', 'batch-create calls under way'),
      recordSeconds: histogram(
        'dispatch_record_seconds',
        'Duration of recording outcomes with their events',
        SECONDS,
      ),
      throttled: counter('throttled_calls_total', 'Calls that CloudDC answered with 429, by call', ['call']),
    },

    credential: {
      calls: counter(
        'credential_calls_total',
        'Calls by credential and what they say of it: accepted, refused, unused (not made), silent',
        ['credential', 'result'],
      ),
      fetched: gauge(
        'credential_fetched_timestamp_seconds',
        'When a token or temporary keys of a credential were fetched last, Unix time',
        ['credential'],
      ),
      ends: gauge(
        'credential_ends_timestamp_seconds',
        'When what was fetched last for a credential ends, Unix time',
        ['credential'],
      ),
    },

    preflight: {
      readings: counter(
        'preflight_readings_total',
        "Readings of a project's ready servers by result: read, failed, not_allowed, not_paid",
        ['result'],
      ),
      orders: counter(
        'preflight_orders_total',
        'Orders that a reading has decided on: failed, waiting, released',
        ['decision'],
      ),
    },

    forecast: {
      error: histogram(
        'forecast_error_ratio',
        'How far off a forecast was, as a part of how far it looked ahead, by what of: dispatch, running',
        [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5],
        ['of'],
      ),
    },

    reconcile: {
      resolved: counter(
        'reconcile_resolved_total',
        'Uncertain attempts resolved: adopted (instances found) or void (proven not created)',
        ['kind'],
      ),
      seconds: histogram(
        'reconcile_seconds',
        'From an attempt becoming uncertain to its resolution',
        LONG_SECONDS,
        ['kind'],
      ),
      listings: counter('reconcile_listings_total', 'Complete listings of a project: ok or failed', [
        'result',
      ]),
      unexpectedInstances: counter(
        'unexpected_instances_total',
        'Instances found upstream with a marker of ours, beyond those adopted',
      ),
      rescued: counter('rescued_attempts_total', 'Attempts of silent replicas taken over as uncertain'),
    },

    readiness: {
      polls: counter('readiness_polls_total', 'Instances asked about'),
      calls: counter(
        'readiness_calls_total',
        'Calls by kind (list, status) and result (ok, throttled, not_sent, failed)',
        ['call', 'result'],
      ),
      callSeconds: histogram('readiness_call_seconds', 'Duration of one readiness call', SECONDS, ['call']),
      instances: counter('instances_settled_total', 'Instances that ended pending: running or failed', [
        'result',
      ]),
      provisioningSeconds: histogram(
        'provisioning_seconds',
        'From an instance ordered to its end, running or failed',
        LONG_SECONDS,
        ['result'],
      ),
    },

    outbox: {
      published: counter('outbox_published_total', 'Events published and confirmed'),
      confirmSeconds: histogram('outbox_confirm_seconds', 'From publishing an event to its confirm', SECONDS),
      returned: counter('outbox_returned_total', 'Events that no queue is bound for'),
      nacked: counter('outbox_nacked_total', 'Events the broker refused'),
      unknown: counter(
        'outbox_unknown_total',
        'Events whose confirm was lost; published again with the same id',
      ),
      delaySeconds: histogram('outbox_delay_seconds', 'From an event committed to its confirm', SECONDS),
    },

    replica: {
      leaseRenewed: gauge(
        'replica_lease_renewed_timestamp_seconds',
        'When the lease was last renewed, Unix time',
      ),
      leasesLost: counter('replica_leases_lost_total', 'Leases that ended before their renewal'),
      maintained: counter('maintenance_rows_total', 'Rows moved or pruned by maintenance, by duty', ['duty']),
    },

    database: {
      errors: counter('database_errors_total', 'Failed statements: conflict, unavailable, rejected', [
        'class',
      ]),
    },

    http: {
      requests: counter('http_requests_total', 'HTTP requests by route, method and status', [
        'route',
        'method',
        'status',
      ]),
      seconds: histogram(
        'http_request_seconds',
        'Duration of HTTP requests; a ?wait counts as it lasts',
        SECONDS,
        ['route'],
      ),
      waiters: gauge('http_waiters', 'Requests held by ?wait'),
    },
  }
}
