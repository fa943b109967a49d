-- Before or after? Clocks step; the numbers of `job_event` only grow. `after_event` is the number of the last event when
-- a list that has the remote job was answered: an attempt whose event came later cannot have made it.
ALTER TABLE remote_job ADD COLUMN after_event INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN baseline_event INTEGER NOT NULL DEFAULT 0;

-- The latest remote job that came after the baseline and under none of our names: others write to this account.
ALTER TABLE account ADD COLUMN stranger_id INTEGER;
ALTER TABLE account ADD COLUMN stranger_name TEXT;
ALTER TABLE account ADD COLUMN stranger_seen_at INTEGER;
