-- The sweep that ends requests at their deadline also ends those that wait for instances and have none. It finds them by
-- the index it has: one on state would touch all indexes with every change of state.
ALTER TABLE "provision_request" DROP CONSTRAINT "provision_request_expiry_check";
ALTER TABLE "provision_request" ADD CONSTRAINT "provision_request_expiry_check" CHECK (
    expires_at IS NULL
    OR (state = 'queued' AND expires_at = deadline)
    OR (state = 'provisioning' AND created_count = 0)
);
UPDATE "provision_request" SET "expires_at" = CURRENT_TIMESTAMP
WHERE "completed_at" IS NULL AND "state" = 'provisioning' AND "created_count" = 0;
