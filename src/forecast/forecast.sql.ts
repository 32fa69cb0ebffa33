/** SQL: whether forecast `f` says anything still. */
export const isFresh = (f: string): string => `${f}.computed_at > clock_timestamp() - interval '2 minutes'`

/** SQL: what the queue is sorted by, as bytes that sort alike: the rank of request `r` in microseconds, and its id. */
export const keyOf = (r: string): string =>
  `(int8send((extract(epoch FROM ${r}.queue_rank) * 1000000)::int8) || uuid_send(${r}.id))`

/**
 * SQL: what the forecast of its project says of request `r` while it waits in the queue, for a LEFT JOIN LATERAL: as JSON
 * (ForecastFacts of estimate.ts) the two points that it stands between, and how long its image takes to boot. Two
 * probes by key.
 */
export const forecastOf = (r: string): string => `(
  SELECT json_build_object(
    'computedMs', extract(epoch FROM f.computed_at) * 1000,
    'key', encode(own.key, 'hex'),
    'keyBelow', encode(f.keys[at.i], 'hex'),
    'keyAbove', encode(f.keys[at.i + 1], 'hex'),
    'placeBelow', f.places[at.i],
    'placeAbove', f.places[at.i + 1],
    'turnMsBelow', f.turns_ms[at.i],
    'turnMsAbove', f.turns_ms[at.i + 1],
    'closed', f.turns_ms = '{}',
    'bootsMs', c.quantiles_ms
  ) AS forecast
  FROM (SELECT ${keyOf(r)} AS key) own
  LEFT JOIN forecast f ON f.project_id = ${r}.project_id AND ${isFresh('f')}
  CROSS JOIN LATERAL (SELECT width_bucket(own.key, f.keys) AS i) at
  LEFT JOIN boot_curve c ON c.project_id = ${r}.project_id AND c.image_id = ${r}.spec::json->>'image_id'
  WHERE ${r}.state = 'queued'
  OFFSET 0
)`
