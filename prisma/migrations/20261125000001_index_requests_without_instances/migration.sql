-- lock-without-instances: requests that wait for instances and have none. Nearly always empty.
CREATE INDEX "provision_request_without_instances_idx" ON "provision_request"("id") WHERE "state" = 'provisioning' AND "created_count" = 0;
