-- The tables of the provisioner. Edited by hand: CHECKs tie timestamps to states, and each claim has its own
-- partial index, so that its cost follows the work that is due and not the history.

CREATE TYPE "request_state" AS ENUM ('queued', 'dispatching', 'uncertain', 'provisioning', 'running', 'partially_running', 'failed', 'expired', 'cancelled');
CREATE TYPE "attempt_state" AS ENUM ('in_flight', 'created', 'not_created', 'uncertain', 'adopted', 'void');
CREATE TYPE "instance_state" AS ENUM ('pending', 'running', 'failed');

-- Queue membership is a nullable column (queue_rank) and not a predicate on state: only entering and leaving the
-- queue touch an index, every other change of state stays a heap-only update. Hence also the fillfactor.
CREATE TABLE "provision_request" (
    "id" UUID NOT NULL,
    "project_id" TEXT NOT NULL,
    "request_id" TEXT NOT NULL,
    "content_digest" BYTEA NOT NULL,
    "password_digest" TEXT NOT NULL,
    "spec" JSONB NOT NULL,
    "sealed_password" BYTEA,
    "state" "request_state" NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "priority" SMALLINT NOT NULL,
    "min_count" INTEGER NOT NULL,
    "max_count" INTEGER NOT NULL,
    "deadline" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3),
    "queue_rank" TIMESTAMPTZ(6),
    "retry_at" TIMESTAMPTZ(3),
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "attempt_number" INTEGER NOT NULL DEFAULT 0,
    "created_count" INTEGER NOT NULL DEFAULT 0,
    "running_count" INTEGER NOT NULL DEFAULT 0,
    "failed_count" INTEGER NOT NULL DEFAULT 0,
    "error_code" TEXT,
    "error_message" TEXT,
    "error_at" TIMESTAMPTZ(3),
    "correlation_id" TEXT,
    "traceparent" TEXT,
    "tracestate" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "dispatched_at" TIMESTAMPTZ(3),
    "completed_at" TIMESTAMPTZ(3),
    "exception_state" "request_state",

    CONSTRAINT "provision_request_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "provision_request_queue_check" CHECK (
        (state = 'queued') = (num_nonnulls(queue_rank, retry_at) = 1)
        AND num_nonnulls(queue_rank, retry_at) <= 1
    ),
    CONSTRAINT "provision_request_expiry_check" CHECK (
        expires_at IS NULL OR (state = 'queued' AND expires_at = deadline)
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
    CONSTRAINT "provision_request_counts_check" CHECK (
        min_count BETWEEN 1 AND max_count
        AND created_count >= 0 AND running_count >= 0 AND failed_count >= 0
        AND running_count + failed_count <= created_count
    ),
    CONSTRAINT "provision_request_exception_check" CHECK (
        exception_state IS NULL OR exception_state = state
    ),
    CONSTRAINT "provision_request_error_check" CHECK ((error_code IS NULL) = (error_at IS NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

CREATE UNIQUE INDEX "provision_request_project_id_request_id_key" ON "provision_request"("project_id", "request_id");
CREATE INDEX "provision_request_project_id_id_idx" ON "provision_request"("project_id", "id");
-- claim-requests: the eligible requests of a project, in order.
CREATE INDEX "provision_request_queue_idx" ON "provision_request"("project_id", "queue_rank", "id") WHERE "queue_rank" IS NOT NULL;
-- promote-retries and expire-requests.
CREATE INDEX "provision_request_retry_idx" ON "provision_request"("retry_at") WHERE "retry_at" IS NOT NULL;
CREATE INDEX "provision_request_expiry_idx" ON "provision_request"("expires_at") WHERE "expires_at" IS NOT NULL;
-- Listings by state: what is under way, and what ended otherwise than running.
CREATE INDEX "provision_request_live_idx" ON "provision_request"("project_id", "id") WHERE "completed_at" IS NULL;
CREATE INDEX "provision_request_exception_idx" ON "provision_request"("project_id", "exception_state", "id") WHERE "exception_state" IS NOT NULL;
-- Retention: the oldest completed first.
CREATE INDEX "provision_request_completed_idx" ON "provision_request"("completed_at") WHERE "completed_at" IS NOT NULL;

CREATE TABLE "attempt" (
    "id" UUID NOT NULL,
    "provision_request_id" UUID NOT NULL,
    "project_id" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "state" "attempt_state" NOT NULL,
    "replica_id" UUID,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "finished_at" TIMESTAMPTZ(3),
    "http_status" INTEGER,
    "error_code" TEXT,
    "error_message" TEXT,
    "evidence" JSONB,
    "uncertain_at" TIMESTAMPTZ(3),
    "reconcile_at" TIMESTAMPTZ(3),
    "audit_at" TIMESTAMPTZ(3),
    "listings_without" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "attempt_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "attempt_owner_check" CHECK ((replica_id IS NOT NULL) = (state = 'in_flight')),
    CONSTRAINT "attempt_reconcile_check" CHECK ((reconcile_at IS NOT NULL) = (state = 'uncertain')),
    CONSTRAINT "attempt_uncertain_check" CHECK (uncertain_at IS NOT NULL OR state NOT IN ('uncertain', 'adopted', 'void')),
    CONSTRAINT "attempt_finished_check" CHECK ((finished_at IS NOT NULL) = (state NOT IN ('in_flight', 'uncertain')))
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02);

CREATE UNIQUE INDEX "attempt_provision_request_id_number_key" ON "attempt"("provision_request_id", "number");
-- A request has at most one attempt whose outcome is open: the database's own guard against a second order.
CREATE UNIQUE INDEX "attempt_open_key" ON "attempt"("provision_request_id") WHERE "state" IN ('in_flight', 'uncertain');
-- rescue-attempts: what a silent replica left in flight.
CREATE INDEX "attempt_replica_idx" ON "attempt"("replica_id") WHERE "replica_id" IS NOT NULL;
-- claim-uncertain.
CREATE INDEX "attempt_reconcile_idx" ON "attempt"("reconcile_at") WHERE "reconcile_at" IS NOT NULL;
CREATE INDEX "attempt_audit_idx" ON "attempt"("audit_at") WHERE "audit_at" IS NOT NULL;

CREATE TABLE "instance" (
    "project_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "provision_request_id" UUID NOT NULL,
    "attempt_id" UUID NOT NULL,
    "name" TEXT,
    "server_id" TEXT,
    "state" "instance_state" NOT NULL,
    "upstream_state" TEXT,
    "error_code" TEXT,
    "error_message" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "running_at" TIMESTAMPTZ(3),
    "failed_at" TIMESTAMPTZ(3),
    "next_poll_at" TIMESTAMPTZ(3),
    "polls" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "instance_pkey" PRIMARY KEY ("project_id", "id"),
    CONSTRAINT "instance_poll_check" CHECK ((next_poll_at IS NOT NULL) = (state = 'pending')),
    CONSTRAINT "instance_running_check" CHECK ((running_at IS NOT NULL) = (state = 'running')),
    CONSTRAINT "instance_failed_check" CHECK ((failed_at IS NOT NULL) = (state = 'failed'))
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX "instance_provision_request_id_idx" ON "instance"("provision_request_id");
-- claim-instances.
CREATE INDEX "instance_poll_idx" ON "instance"("next_poll_at") WHERE "next_poll_at" IS NOT NULL;

CREATE TABLE "outbox_event" (
    "position" BIGSERIAL NOT NULL,
    "id" UUID NOT NULL,
    "ordering_key" TEXT NOT NULL,
    "routing_key" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "correlation_id" TEXT,
    "body" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "returns" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "outbox_event_pkey" PRIMARY KEY ("position")
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

CREATE TABLE "parked_event" (
    "id" UUID NOT NULL,
    "ordering_key" TEXT NOT NULL,
    "routing_key" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "correlation_id" TEXT,
    "body" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "returns" INTEGER NOT NULL,
    "retry_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "parked_event_pkey" PRIMARY KEY ("id")
);

CREATE INDEX "parked_event_retry_at_idx" ON "parked_event"("retry_at");

CREATE TABLE "rate_bucket" (
    "project_id" TEXT NOT NULL,
    "refill_per_second" DOUBLE PRECISION NOT NULL,
    "capacity" DOUBLE PRECISION NOT NULL,
    "tokens" DOUBLE PRECISION NOT NULL,
    "refilled_at" TIMESTAMPTZ(6) NOT NULL,
    "due_at" TIMESTAMPTZ(6),
    "work_seq" BIGINT NOT NULL DEFAULT 0,
    "blocked_until" TIMESTAMPTZ(3),
    "blocked_reason" TEXT,
    "troubles" INTEGER NOT NULL DEFAULT 0,
    "rate_factor" DOUBLE PRECISION NOT NULL DEFAULT 1,
    "poll_credit" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "poll_wanted_until" TIMESTAMPTZ(3),

    CONSTRAINT "rate_bucket_pkey" PRIMARY KEY ("project_id"),
    CONSTRAINT "rate_bucket_range_check" CHECK (
        refill_per_second > 0 AND capacity >= 1 AND tokens >= 0 AND tokens <= capacity
        AND rate_factor > 0 AND rate_factor <= 1 AND poll_credit >= 0 AND poll_credit <= 1
    ),
    CONSTRAINT "rate_bucket_blocked_check" CHECK ((blocked_until IS NULL) = (blocked_reason IS NULL))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 100);

-- claim-requests: the projects whose turn has come, longest due first.
CREATE INDEX "rate_bucket_due_idx" ON "rate_bucket"("due_at") WHERE "due_at" IS NOT NULL;

CREATE TABLE "transition" (
    "provision_request_id" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "from_state" "request_state",
    "to_state" "request_state" NOT NULL,
    "cause" TEXT NOT NULL,
    "attempt_id" UUID,
    "evidence" JSONB,

    CONSTRAINT "transition_pkey" PRIMARY KEY ("provision_request_id", "version")
);

CREATE TABLE "replica" (
    "id" UUID NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "lease_until" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "replica_pkey" PRIMARY KEY ("id")
) WITH (fillfactor = 50);

CREATE TABLE "duty_lease" (
    "duty" TEXT NOT NULL,
    "replica_id" UUID NOT NULL,
    "lease_until" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "duty_lease_pkey" PRIMARY KEY ("duty")
) WITH (fillfactor = 50);

ALTER TABLE "attempt" ADD CONSTRAINT "attempt_provision_request_id_fkey" FOREIGN KEY ("provision_request_id") REFERENCES "provision_request"("id") ON DELETE CASCADE ON UPDATE NO ACTION;
ALTER TABLE "instance" ADD CONSTRAINT "instance_provision_request_id_fkey" FOREIGN KEY ("provision_request_id") REFERENCES "provision_request"("id") ON DELETE CASCADE ON UPDATE NO ACTION;
