-- claim-instances: what a project polls next. The key is an expression, so that no statement by project_id and id goes by it.
CREATE INDEX "instance_project_poll_idx" ON "instance"(("project_id" || ''), "next_poll_at") WHERE "next_poll_at" IS NOT NULL;
