-- Before or after? Clocks step; the numbers of `job_event` only grow. `after_event` is the number of the last event when
-- a list that has the remote job was answered: an attempt whose event came later cannot have made it.
ALTER TABLE remote_job ADD COLUMN after_event INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN baseline_event INTEGER NOT NULL DEFAULT 0;

-- The latest remote job that came after the baseline and under none of our names: others write to this account.
ALTER TABLE account ADD COLUMN stranger_id INTEGER;
ALTER TABLE account ADD COLUMN stranger_name TEXT;
ALTER TABLE account ADD COLUMN stranger_seen_at INTEGER;

-- The latest time by the server's own clock that an answer told, and what of that was known when an attempt began: our
-- clock may be set at any time, before or after, and must not decide where an unclear upload is looked for.
ALTER TABLE account ADD COLUMN server_seen_at INTEGER;
ALTER TABLE attempt ADD COLUMN server_after INTEGER;
