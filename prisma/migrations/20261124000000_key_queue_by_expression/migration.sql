-- The queue's index begins with an expression that no other index has. Several begin with project_id, and while the
-- table is small the planner may take another of them for a claim and sort: that plan would stay, and read the whole
-- project.
DROP INDEX "provision_request_queue_idx";
CREATE INDEX "provision_request_queue_idx" ON "provision_request"(("project_id" || ''), "queue_rank", "id") WHERE "queue_rank" IS NOT NULL;
