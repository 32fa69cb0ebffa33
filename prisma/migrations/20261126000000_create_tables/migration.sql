-- The tables of the provisioner. Edited by hand: CHECKs tie timestamps to states and hold each change of state against
-- the legal moves, and each claim has its own partial index, so that its cost follows the work that is due and not the
-- history. No foreign keys: only retention deletes requests, and it deletes what belongs to them in the same statement.

CREATE TYPE "request_state" AS ENUM ('queued', 'dispatching', 'uncertain', 'provisioning', 'running', 'partially_running', 'failed', 'expired', 'cancelled');
CREATE TYPE "instance_state" AS ENUM ('pending', 'running', 'failed');
CREATE TYPE "look_purpose" AS ENUM ('doubt', 'audit');

-- Queue membership is a nullable column (queue_rank) and not a predicate on state: only entering and leaving the
-- queue touch an index, every other change under way stays a heap-only update. Hence also the fillfactor, which leaves
-- room for the next version on the same page.
CREATE TABLE "provision_request" (
    "id" UUID NOT NULL,
    "project_id" TEXT NOT NULL,
    "request_id" TEXT NOT NULL,
    "content_digest" BYTEA NOT NULL,
    "password_digest" TEXT,
    "spec" TEXT NOT NULL,
    "priority" SMALLINT NOT NULL,
    "min_count" INTEGER NOT NULL,
    "max_count" INTEGER NOT NULL,
    "deadline" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "correlation_id" TEXT,
    "traceparent" TEXT,
    "tracestate" TEXT,
    "state" "request_state" NOT NULL,
    "previous_state" "request_state",
    "version" INTEGER NOT NULL DEFAULT 1,
    "expires_at" TIMESTAMPTZ(3),
    "queue_rank" TIMESTAMPTZ(6),
    "retry_at" TIMESTAMPTZ(3),
    "held_rank" TIMESTAMPTZ(6),
    "held_for" TEXT,
    "waits_for_ready" BOOLEAN NOT NULL DEFAULT false,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "attempt_number" INTEGER NOT NULL DEFAULT 0,
    "claim_id" UUID,
    "created_count" INTEGER NOT NULL DEFAULT 0,
    "running_count" INTEGER NOT NULL DEFAULT 0,
    "failed_count" INTEGER NOT NULL DEFAULT 0,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "dispatched_at" TIMESTAMPTZ(3),
    "completed_at" TIMESTAMPTZ(3),
    "exception_state" "request_state",
    "error_code" TEXT,
    "error_message" TEXT,
    "error_at" TIMESTAMPTZ(3),
    "sealed_password" BYTEA,
    "password_trace" TEXT,
    "instance_ids" TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],
    "history" TEXT NOT NULL,

    CONSTRAINT "provision_request_pkey" PRIMARY KEY ("id"),
    -- Generated from NEXT_STATES (src/request/provision-request.ts); a test holds the two against each other. A CHECK
    -- takes null for true, hence IS TRUE: a first move without its previous_state would pass.
    CONSTRAINT "provision_request_move_check" CHECK ((
        (previous_state IS NULL AND state = 'queued')
        OR (previous_state = 'queued' AND state IN ('dispatching', 'expired', 'cancelled', 'failed'))
        OR (previous_state = 'dispatching' AND state IN ('provisioning', 'queued', 'uncertain', 'failed'))
        OR (previous_state = 'uncertain' AND state IN ('provisioning', 'queued', 'failed'))
        OR (previous_state = 'provisioning' AND state IN ('running', 'partially_running', 'failed'))
    ) IS TRUE),
    CONSTRAINT "provision_request_queue_check" CHECK (
        (state = 'queued') = (num_nonnulls(queue_rank, retry_at, held_rank) = 1)
        AND num_nonnulls(queue_rank, retry_at, held_rank) <= 1
    ),
    CONSTRAINT "provision_request_held_check" CHECK (held_for IS NULL OR held_rank IS NOT NULL),
    -- A dispatching request without its claim would be found by nobody.
    CONSTRAINT "provision_request_claim_check" CHECK ((claim_id IS NOT NULL) = (state = 'dispatching')),
    CONSTRAINT "provision_request_expiry_check" CHECK (
        expires_at IS NULL OR (state = 'queued' AND expires_at IS NOT DISTINCT FROM deadline)
    ),
    CONSTRAINT "provision_request_completed_check" CHECK (
        (completed_at IS NOT NULL) = (state IN ('running', 'partially_running', 'failed', 'expired', 'cancelled'))
    ),
    CONSTRAINT "provision_request_dispatched_check" CHECK (
        dispatched_at IS NOT NULL OR state NOT IN ('provisioning', 'running', 'partially_running')
    ),
    -- The password is there exactly as long as an attempt may need it.
    CONSTRAINT "provision_request_password_check" CHECK (
        (sealed_password IS NOT NULL) = (state IN ('queued', 'dispatching', 'uncertain'))
    ),
    -- What is left of the password ends with the request.
    CONSTRAINT "provision_request_trace_check" CHECK (password_trace IS NULL OR completed_at IS NULL),
    CONSTRAINT "provision_request_counts_check" CHECK (
        min_count BETWEEN 1 AND max_count
        AND created_count >= 0 AND running_count >= 0 AND failed_count >= 0
        AND running_count + failed_count <= created_count
        AND created_count = cardinality(instance_ids)
    ),
    CONSTRAINT "provision_request_exception_check" CHECK (
        exception_state IS NULL OR exception_state = state
    ),
    CONSTRAINT "provision_request_error_check" CHECK ((error_code IS NULL) = (error_at IS NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

CREATE UNIQUE INDEX "provision_request_project_id_request_id_key" ON "provision_request"("project_id", "request_id");
CREATE INDEX "provision_request_project_id_id_idx" ON "provision_request"("project_id", "id");
-- claim-requests: the eligible requests of a project, in order. By an expression, so that no other plan can go by it.
CREATE INDEX "provision_request_queue_idx" ON "provision_request"(("project_id" || ''), "queue_rank", "id") WHERE "queue_rank" IS NOT NULL;
-- preflight: those that wait for a look at the servers, or for servers, in order.
CREATE INDEX "provision_request_held_idx" ON "provision_request"(("project_id" || ''), "held_rank", "id") WHERE "held_rank" IS NOT NULL;
-- due-sweeps.
CREATE INDEX "provision_request_retry_idx" ON "provision_request"("retry_at") WHERE "retry_at" IS NOT NULL;
CREATE INDEX "provision_request_expiry_idx" ON "provision_request"("expires_at") WHERE "expires_at" IS NOT NULL;
-- Listings by state: what is under way, and what ended otherwise than running.
CREATE INDEX "provision_request_live_idx" ON "provision_request"("project_id", "id") WHERE "completed_at" IS NULL;
CREATE INDEX "provision_request_exception_idx" ON "provision_request"("project_id", "exception_state", "id") WHERE "exception_state" IS NOT NULL;
-- Listings by cause and by the sender's own id. Requests that run well, and without such an id, are in neither.
CREATE INDEX "provision_request_error_idx" ON "provision_request"("project_id", "error_code", "id") WHERE "error_code" IS NOT NULL;
CREATE INDEX "provision_request_correlation_idx" ON "provision_request"("project_id", "correlation_id", "id") WHERE "correlation_id" IS NOT NULL;
-- Retention: the oldest completed first.
CREATE INDEX "provision_request_completed_idx" ON "provision_request"("completed_at") WHERE "completed_at" IS NOT NULL;

-- failures: what ended with an error, by time, so that neither the table nor what runs well is looked at.
CREATE INDEX "provision_request_failure_idx" ON "provision_request"("completed_at") INCLUDE ("error_code", "project_id") WHERE "exception_state" IN ('failed', 'expired');

CREATE TABLE "history_part" (
    "provision_request_id" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "history" TEXT NOT NULL,

    CONSTRAINT "history_part_pkey" PRIMARY KEY ("provision_request_id", "version")
);

CREATE TABLE "claim" (
    "id" UUID NOT NULL,
    "replica_id" UUID NOT NULL,
    "claimed_at" TIMESTAMPTZ(3) NOT NULL,
    "request_ids" UUID[] NOT NULL,

    CONSTRAINT "claim_pkey" PRIMARY KEY ("id")
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);

-- rescue-claims: what a silent replica left in flight.
CREATE INDEX "claim_replica_id_idx" ON "claim"("replica_id");

CREATE TABLE "look" (
    "provision_request_id" UUID NOT NULL,
    "attempt" INTEGER NOT NULL,
    "project_id" TEXT NOT NULL,
    "purpose" "look_purpose" NOT NULL,
    "due_at" TIMESTAMPTZ(3) NOT NULL,
    "listings_without" INTEGER NOT NULL DEFAULT 0,
    "evidence" TEXT,

    CONSTRAINT "look_pkey" PRIMARY KEY ("provision_request_id", "attempt")
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

-- claim-doubts, and the audits that one listing of their project ends.
CREATE INDEX "look_doubt_idx" ON "look"("due_at") WHERE "purpose" = 'doubt';
CREATE INDEX "look_audit_idx" ON "look"("project_id", "due_at") WHERE "purpose" = 'audit';

CREATE TABLE "instance" (
    "project_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "provision_request_id" UUID NOT NULL,
    "attempt" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "state" "instance_state" NOT NULL,
    "name" TEXT,
    "server_id" TEXT,
    "image_id" TEXT,
    "network_interfaces" JSONB,
    "upstream_state" TEXT,
    "error_code" TEXT,
    "error_message" TEXT,
    "running_at" TIMESTAMPTZ(3),
    "ended_version" INTEGER,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "instance_pkey" PRIMARY KEY ("project_id", "id"),
    CONSTRAINT "instance_running_check" CHECK (
        state = 'pending' OR (running_at IS NOT NULL) = (state = 'running')
    ),
    CONSTRAINT "instance_ended_check" CHECK (
        (ended_at IS NOT NULL) = (state <> 'pending') AND (ended_version IS NOT NULL) = (state <> 'pending')
    )
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE "poll" (
    "id" UUID NOT NULL,
    "project_id" TEXT NOT NULL,
    "due_at" TIMESTAMPTZ(3) NOT NULL,
    "limit_at" TIMESTAMPTZ(3) NOT NULL,
    "polls" INTEGER NOT NULL DEFAULT 0,
    "members" TEXT[] NOT NULL,

    CONSTRAINT "poll_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "poll_members_check" CHECK (cardinality(members) BETWEEN 1 AND 100)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);

-- Compressing a hundred members costs more than it saves.
ALTER TABLE "poll" ALTER COLUMN "members" SET STORAGE EXTERNAL;

-- claim-polls.
CREATE INDEX "poll_due_at_idx" ON "poll"("due_at");
-- claim-polls: what may fill the calls of a project.
CREATE INDEX "poll_spare_idx" ON "poll"("project_id", "due_at") WHERE cardinality("members") < 100;

CREATE TABLE "outbox_segment" (
    "position" BIGSERIAL NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "refs" TEXT,
    "rejections" TEXT,

    CONSTRAINT "outbox_segment_pkey" PRIMARY KEY ("position"),
    CONSTRAINT "outbox_segment_content_check" CHECK (num_nonnulls(refs, rejections) = 1)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);

ALTER TABLE "outbox_segment" ALTER COLUMN "refs" SET STORAGE EXTERNAL;

CREATE TABLE "rate_bucket" (
    "project_id" TEXT NOT NULL,
    "credential_id" TEXT NOT NULL DEFAULT 'none',
    "refill_per_second" DOUBLE PRECISION NOT NULL,
    "capacity" DOUBLE PRECISION NOT NULL,
    "tokens" DOUBLE PRECISION NOT NULL,
    "refilled_at" TIMESTAMPTZ(6) NOT NULL,
    "due_at" TIMESTAMPTZ(6),
    "blocked_until" TIMESTAMPTZ(3),
    "blocked_reason" TEXT,
    "troubles" INTEGER NOT NULL DEFAULT 0,
    "rate_factor" DOUBLE PRECISION NOT NULL DEFAULT 1,
    "poll_credit" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "poll_wanted_until" TIMESTAMPTZ(3),
    "payment" UUID,
    "ordered" BIGINT NOT NULL DEFAULT 0,
    "ready_limit" BIGINT,
    "ready_until" TIMESTAMPTZ(3),
    "renew_at" TIMESTAMPTZ(3),
    "preflight_at" TIMESTAMPTZ(3),
    "reading_until" TIMESTAMPTZ(3),
    "reads_servers" BOOLEAN NOT NULL DEFAULT false,
    "retiring_at" TIMESTAMPTZ(3),

    CONSTRAINT "rate_bucket_pkey" PRIMARY KEY ("project_id"),
    CONSTRAINT "rate_bucket_range_check" CHECK (
        refill_per_second > 0 AND capacity >= 1 AND tokens >= 0 AND tokens <= capacity
        AND rate_factor > 0 AND rate_factor <= 1 AND poll_credit >= 0 AND poll_credit <= 1
    ),
    CONSTRAINT "rate_bucket_blocked_check" CHECK ((blocked_until IS NULL) = (blocked_reason IS NULL))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 100);

-- claim-requests: the projects whose turn has come, longest due first.
CREATE INDEX "rate_bucket_due_idx" ON "rate_bucket"("due_at") WHERE "due_at" IS NOT NULL;

-- One row per credential; what a bucket of a project is for, and which calls are held back, by the same names.
CREATE TABLE "credential_bucket" (
    "credential_id" TEXT NOT NULL,
    "refill_per_second" DOUBLE PRECISION NOT NULL,
    "capacity" DOUBLE PRECISION NOT NULL,
    "tokens" DOUBLE PRECISION NOT NULL,
    "refilled_at" TIMESTAMPTZ(6) NOT NULL,
    "due_at" TIMESTAMPTZ(6),
    "blocked_until" TIMESTAMPTZ(3),
    "blocked_reason" TEXT,
    "troubles" INTEGER NOT NULL DEFAULT 0,
    "poll_credit" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "poll_wanted_until" TIMESTAMPTZ(3),
    "listed_at" TIMESTAMPTZ(6),
    "payment" UUID,

    CONSTRAINT "credential_bucket_pkey" PRIMARY KEY ("credential_id"),
    CONSTRAINT "credential_bucket_range_check" CHECK (
        refill_per_second > 0 AND capacity >= 1 AND tokens >= 0 AND tokens <= capacity
        AND poll_credit >= 0 AND poll_credit <= 1
    ),
    CONSTRAINT "credential_bucket_blocked_check" CHECK ((blocked_until IS NULL) = (blocked_reason IS NULL))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 100);

-- wanted-readings.
CREATE INDEX "rate_bucket_preflight_idx" ON "rate_bucket"("preflight_at") WHERE "preflight_at" IS NOT NULL;

CREATE TABLE "forecast" (
    "project_id" TEXT NOT NULL,
    "computed_at" TIMESTAMPTZ(3) NOT NULL,
    "keys" BYTEA[] NOT NULL,
    "places" INTEGER[] NOT NULL,
    "turns_ms" DOUBLE PRECISION[] NOT NULL,
    "length" INTEGER NOT NULL,
    "length_ms" DOUBLE PRECISION,

    CONSTRAINT "forecast_pkey" PRIMARY KEY ("project_id"),
    CONSTRAINT "forecast_points_check" CHECK (
        cardinality(keys) = cardinality(places) AND cardinality(turns_ms) IN (0, cardinality(keys))
    )
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 100);

CREATE TABLE "boot_curve" (
    "project_id" TEXT NOT NULL,
    "image_id" TEXT NOT NULL,
    "counts" REAL[] NOT NULL,
    "quantiles_ms" DOUBLE PRECISION[],
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "boot_curve_pkey" PRIMARY KEY ("project_id", "image_id")
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 100);

CREATE TABLE "spoken_server" (
    "project_id" TEXT NOT NULL,
    "server_id" TEXT NOT NULL,
    "provision_request_id" UUID NOT NULL,

    CONSTRAINT "spoken_server_pkey" PRIMARY KEY ("project_id", "server_id")
);

CREATE TABLE "retired_key" (
    "project_id" TEXT NOT NULL,
    "request_id" TEXT NOT NULL,
    "content_digest" BYTEA NOT NULL,
    "password_digest" TEXT,
    "completed_at" TIMESTAMPTZ(3) NOT NULL,
    "retired_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "retired_key_pkey" PRIMARY KEY ("project_id", "request_id")
);

CREATE INDEX "retired_key_completed_at_idx" ON "retired_key"("completed_at");

CREATE TABLE "replica" (
    "id" UUID NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "lease_until" TIMESTAMPTZ(3) NOT NULL,
    "seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "host" TEXT NOT NULL DEFAULT '',
    "version" TEXT NOT NULL DEFAULT '',
    "roles" TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],

    CONSTRAINT "replica_pkey" PRIMARY KEY ("id")
) WITH (fillfactor = 50);

CREATE TABLE "duty_lease" (
    "duty" TEXT NOT NULL,
    "replica_id" UUID NOT NULL,
    "lease_until" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "duty_lease_pkey" PRIMARY KEY ("duty")
) WITH (fillfactor = 50);

-- What a replica has done in ten seconds, for the overview: written once for all of it, and not while there is nothing.
CREATE TABLE "flow_count" (
    "at" TIMESTAMPTZ(3) NOT NULL,
    "replica_id" UUID NOT NULL,
    "accepted" INTEGER NOT NULL,
    "dispatched" INTEGER NOT NULL,
    "running" INTEGER NOT NULL,
    "failed" INTEGER NOT NULL,
    "published" INTEGER NOT NULL,
    "polls_answered" INTEGER NOT NULL,
    "polls_failed" INTEGER NOT NULL,

    CONSTRAINT "flow_count_pkey" PRIMARY KEY ("at", "replica_id")
);

-- The name of this installation in the markers of its attempts, made once: eight of a-z and 0-9.
CREATE TABLE "installation" (
    "id" TEXT NOT NULL,

    CONSTRAINT "installation_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "installation_id_check" CHECK (id ~ '^[a-z0-9]{8}$')
);

INSERT INTO "installation" ("id")
SELECT string_agg(substr('abcdefghijklmnopqrstuvwxyz0123456789', 1 + floor(random() * 36)::int, 1), '')
FROM generate_series(1, 8);

CREATE TABLE "audit_entry" (
    "id" BIGSERIAL NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "who" TEXT NOT NULL,
    "verb" TEXT NOT NULL,
    "project_id" TEXT,
    "target" TEXT,
    "before" JSONB,
    "after" JSONB,
    "reason" TEXT NOT NULL,
    "until" TIMESTAMPTZ(3),

    CONSTRAINT "audit_entry_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "audit_entry_reason_check" CHECK (char_length(reason) BETWEEN 10 AND 500)
);

-- What people have set beside the configuration: limits of single projects, and pauses. A row whose time is over has no
-- effect. Few rows, and mostly none: claim-requests reads all pauses.
CREATE TABLE "limit_override" (
    "project_id" TEXT NOT NULL,
    "per_second" DOUBLE PRECISION NOT NULL,
    "burst" DOUBLE PRECISION NOT NULL,
    "refill_per_second" DOUBLE PRECISION NOT NULL,
    "capacity" DOUBLE PRECISION NOT NULL,
    "since" TIMESTAMPTZ(3) NOT NULL,
    "until" TIMESTAMPTZ(3),
    "who" TEXT NOT NULL,
    "reason" TEXT NOT NULL,

    CONSTRAINT "limit_override_pkey" PRIMARY KEY ("project_id"),
    CONSTRAINT "limit_override_range_check" CHECK (
        per_second > 0 AND burst >= 1 AND refill_per_second > 0 AND capacity >= 1
    )
);

CREATE TABLE "pause" (
    "project_id" TEXT NOT NULL,
    "since" TIMESTAMPTZ(3) NOT NULL,
    "until" TIMESTAMPTZ(3),
    "who" TEXT NOT NULL,
    "reason" TEXT NOT NULL,

    CONSTRAINT "pause_pkey" PRIMARY KEY ("project_id")
);

CREATE TABLE "dead_letter" (
    "id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "code" TEXT NOT NULL,
    "project_id" TEXT,
    "request_id" TEXT,
    "faults" TEXT NOT NULL,
    "bytes" INTEGER NOT NULL,
    "replayed_at" TIMESTAMPTZ(3),

    CONSTRAINT "dead_letter_pkey" PRIMARY KEY ("id")
);

CREATE INDEX "dead_letter_at_id_idx" ON "dead_letter"("at", "id");
CREATE INDEX "dead_letter_code_at_id_idx" ON "dead_letter"("code", "at", "id");
-- count-letters: those that no run has published again.
CREATE INDEX "dead_letter_open_idx" ON "dead_letter"("code", "at") WHERE "replayed_at" IS NULL;

CREATE TABLE "operation_run" (
    "id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "params" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),
    "total" INTEGER,
    "done" INTEGER NOT NULL DEFAULT 0,
    "passed_over" INTEGER NOT NULL DEFAULT 0,
    "cursor" TEXT,
    "error" TEXT,
    "holder" UUID,

    CONSTRAINT "operation_run_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "operation_run_counts_check" CHECK (done >= 0 AND passed_over >= 0 AND total >= 0),
    CONSTRAINT "operation_run_finished_check" CHECK (finished_at IS NULL OR started_at IS NOT NULL)
);

-- The runs that are not over, oldest first.
CREATE INDEX "operation_run_open_idx" ON "operation_run"("created_at", "id") WHERE "finished_at" IS NULL;
