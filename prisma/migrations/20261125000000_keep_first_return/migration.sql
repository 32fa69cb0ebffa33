-- How long an event is kept that no queue takes counts from its first return, not from its writing: one that has waited
-- a day for the broker has been offered to nobody yet.
ALTER TABLE "outbox_event" ADD COLUMN "first_returned_at" TIMESTAMPTZ(3);
ALTER TABLE "parked_event" ADD COLUMN "first_returned_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;
