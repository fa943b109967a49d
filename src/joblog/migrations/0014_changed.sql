-- What the file of an accepted job holds by now, where that is no longer what was sent (DESIGN F2): its rows, and whether
-- what was sent is still its beginning.
ALTER TABLE job ADD COLUMN changed_rows         INTEGER;
ALTER TABLE job ADD COLUMN changed_by_appending INTEGER NOT NULL DEFAULT 0 CHECK (changed_by_appending IN (0, 1));
