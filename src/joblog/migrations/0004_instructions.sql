-- What people want of jobs (`jobs retry` and the like): written by the command, carried out by whoever holds the lock of
-- the state directory, so that it is neither lost nor done twice.
CREATE TABLE instruction (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    given_at     INTEGER NOT NULL,
    given_by     TEXT NOT NULL,
    verb         TEXT NOT NULL CHECK (verb IN ('retry', 'hold', 'release', 'cancel')),
    job_id       INTEGER NOT NULL,
    -- `resend` and `adopt` of a release, `force` of a cancel.
    how          TEXT CHECK (how IN ('resend', 'adopt', 'force')),
    adopted_id   INTEGER CHECK ((adopted_id IS NOT NULL) = (how IS 'adopt')),
    answered_at  INTEGER,
    -- 1 done, 0 refused; and what came of it, in words.
    done         INTEGER,
    answer       TEXT,
    new_job_id   INTEGER
) STRICT;

CREATE INDEX instruction_open ON instruction (id) WHERE answered_at IS NULL;

-- The job that a person had sent again as this one; it may have left the job log since.
ALTER TABLE job ADD COLUMN retry_of INTEGER;

-- An attempt ended unclear, and nobody knows since whether it was ingested.
ALTER TABLE job ADD COLUMN unsettled INTEGER NOT NULL DEFAULT 0;
UPDATE job SET unsettled = 1 WHERE state = 'unconfirmed' OR (state = 'held' AND unclear_ends > 0);
