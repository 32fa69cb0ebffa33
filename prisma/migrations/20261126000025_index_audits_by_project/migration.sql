-- Audits are looked for and ended by project: one listing serves all that are due.
DROP INDEX "attempt_audit_idx";
CREATE INDEX "attempt_audit_idx" ON "attempt"("project_id", "audit_at") WHERE "audit_at" IS NOT NULL;
