-- What CloudDC lists of an instance, for the event that tells of it.
ALTER TABLE "instance" ADD COLUMN "image_id" TEXT;
ALTER TABLE "instance" ADD COLUMN "network_interfaces" JSONB;

-- A pending instance may run already: it waits for the listing that names its server.
ALTER TABLE "instance" DROP CONSTRAINT "instance_running_check";
ALTER TABLE "instance" ADD CONSTRAINT "instance_running_check" CHECK (
    state = 'pending' OR (running_at IS NOT NULL) = (state = 'running')
);
