-- What stays of a job that was accepted, or whose file lies in done/, once `keep.jobs` has pruned it: what guards against
-- sending its content again, against taking its remote job for somebody else's, and its file for an unknown one.
CREATE TABLE delivered (
    job_id        INTEGER PRIMARY KEY,
    account       TEXT NOT NULL,
    file_name     TEXT NOT NULL,
    kind          TEXT NOT NULL,
    state         TEXT NOT NULL,
    sha256        TEXT,
    remote_job_id INTEGER,
    -- Where its file was left, for whoever asks what lies there.
    disk_name     BLOB NOT NULL,
    place         TEXT NOT NULL,
    uploaded_at   INTEGER,
    finished_at   INTEGER
) STRICT;

CREATE INDEX delivered_by_content ON delivered (account, sha256);
CREATE INDEX delivered_by_end     ON delivered (account, state, finished_at);
CREATE INDEX delivered_by_name    ON delivered (account, disk_name);
CREATE UNIQUE INDEX delivered_remote ON delivered (account, remote_job_id) WHERE remote_job_id IS NOT NULL;

-- Both jobs of a pair leave together.
CREATE INDEX job_by_pair ON job (pair_id) WHERE pair_id IS NOT NULL;

-- The jobs that the running transaction prunes: for these alone the triggers make way. Empty outside of it.
CREATE TABLE pruning (job_id INTEGER PRIMARY KEY) STRICT;

DROP TRIGGER job_event_is_append_only_delete;
CREATE TRIGGER job_event_is_append_only_delete BEFORE DELETE ON job_event
WHEN NOT EXISTS (SELECT 1 FROM pruning WHERE job_id = OLD.job_id)
BEGIN SELECT RAISE(ABORT, 'job_event is append-only'); END;

DROP TRIGGER delivered_job_stays;
CREATE TRIGGER delivered_job_stays BEFORE DELETE ON job
WHEN (OLD.uploaded_at IS NOT NULL OR OLD.remote_job_id IS NOT NULL)
 AND NOT (EXISTS (SELECT 1 FROM pruning WHERE job_id = OLD.id)
          AND EXISTS (SELECT 1 FROM delivered WHERE job_id = OLD.id AND account = OLD.account AND sha256 IS OLD.sha256
                      AND remote_job_id IS OLD.remote_job_id))
BEGIN SELECT RAISE(ABORT, 'a delivered job is never deleted: it guards against sending its content again'); END;

CREATE TRIGGER delivered_stays BEFORE DELETE ON delivered
BEGIN SELECT RAISE(ABORT, 'what was delivered is never forgotten: it guards against sending it again'); END;
