-- Storing requests no longer locks the bucket to count itself in: a claim that ran beside it had to leave the project
-- out. See store/sql/wake-projects.ts.
ALTER TABLE "rate_bucket" DROP COLUMN "work_seq";
