-- The idempotency keys of requests that retention has deleted, or is about to: a late duplicate is still a duplicate.
CREATE TABLE "retired_key" (
    "project_id" TEXT NOT NULL,
    "request_id" TEXT NOT NULL,
    "content_digest" BYTEA NOT NULL,
    "password_digest" TEXT NOT NULL,
    "completed_at" TIMESTAMPTZ(3) NOT NULL,
    "retired_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "retired_key_pkey" PRIMARY KEY ("project_id", "request_id")
);

-- Retention: the oldest first.
CREATE INDEX "retired_key_completed_at_idx" ON "retired_key"("completed_at");
