-- CloudDC's own id of a call: what its support asks for.
ALTER TABLE "attempt" ADD COLUMN "upstream_request_id" TEXT;
