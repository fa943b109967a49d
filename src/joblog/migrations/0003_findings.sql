-- What the check found in the file (the account's key `check`); NULL where it found nothing or was off: the worst findings,
-- each on a line of its own, the rest counted.
ALTER TABLE job ADD COLUMN findings TEXT;
-- For the reasons of bad ends, as Adobe gives none: what likely fails the file; which rows it likely skips, and how many.
ALTER TABLE job ADD COLUMN likely_cause TEXT;
ALTER TABLE job ADD COLUMN likely_rows TEXT;
ALTER TABLE job ADD COLUMN rows_skipped INTEGER NOT NULL DEFAULT 0;
