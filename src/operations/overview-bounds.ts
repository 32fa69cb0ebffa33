import { FLOW_STEP_SECONDS } from '../telemetry/add-flow.sql.ts'

/** How much of everything the overview shows. */

/** Rates come for these last minutes, in steps of so many seconds. */
export const RATE_MINUTES = 15
export const RATE_STEP_SECONDS = FLOW_STEP_SECONDS
/** Rows that a list of the reply holds at most, the most troubled first; totals count all. */
export const MOST_LISTED = 100
/** Samples and causes. */
export const MOST_SAMPLES = 20
