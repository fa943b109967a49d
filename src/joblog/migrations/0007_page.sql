-- For those who look: the page, /metrics and `status` count nothing anew, however long the job log has grown. Sums are kept
-- as things end, by triggers, so that no change can forget them.

-- Ended jobs that the job log still has.
CREATE TABLE ended (
    account TEXT NOT NULL,
    state   TEXT NOT NULL,
    jobs    INTEGER NOT NULL,
    PRIMARY KEY (account, state)
) STRICT, WITHOUT ROWID;

-- Data files by the day on which they ended, in the service's own zone. It stays when jobs are pruned. What was not accepted
-- was not sent; what Adobe did not process of what was sent is lost.
CREATE TABLE ended_by_day (
    account        TEXT NOT NULL,
    day            TEXT NOT NULL,
    state          TEXT NOT NULL,
    files          INTEGER NOT NULL,
    bytes_sent     INTEGER NOT NULL,
    rows_sent      INTEGER NOT NULL,
    rows_processed INTEGER NOT NULL,
    rows_lost      INTEGER NOT NULL,
    PRIMARY KEY (account, day, state)
) STRICT, WITHOUT ROWID;

-- Upload requests by how they ended.
CREATE TABLE ended_attempts (
    account  TEXT NOT NULL,
    outcome  TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (account, outcome)
) STRICT, WITHOUT ROWID;

INSERT INTO ended
SELECT account, state, count(*) FROM job WHERE finished_at IS NOT NULL GROUP BY account, state;

INSERT INTO ended_by_day
SELECT account, date(finished_at / 1000, 'unixepoch', 'localtime') AS day, state, count(*),
       sum(iif(uploaded_at IS NULL, 0, coalesce(size, 0))),
       sum(iif(uploaded_at IS NULL, 0, coalesce(rows_expected, 0))),
       sum(coalesce(rows_processed, 0)),
       sum(iif(state IN ('partial', 'failure') AND uploaded_at IS NOT NULL,
               max(0, coalesce(rows_expected, 0) - coalesce(rows_processed, 0)), 0))
FROM job WHERE finished_at IS NOT NULL AND kind = 'data' GROUP BY account, day, state;

INSERT INTO ended_attempts
SELECT account, outcome, count(*) FROM attempt JOIN job ON job.id = attempt.job_id
WHERE outcome IS NOT NULL GROUP BY account, outcome;

-- A job is made `waiting` and comes to its end once.
CREATE TRIGGER job_ends AFTER UPDATE OF finished_at ON job WHEN OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL
BEGIN
    INSERT INTO ended VALUES (NEW.account, NEW.state, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1;
    INSERT INTO ended_by_day
    SELECT NEW.account, date(NEW.finished_at / 1000, 'unixepoch', 'localtime'), NEW.state, 1,
           iif(NEW.uploaded_at IS NULL, 0, coalesce(NEW.size, 0)),
           iif(NEW.uploaded_at IS NULL, 0, coalesce(NEW.rows_expected, 0)),
           coalesce(NEW.rows_processed, 0),
           iif(NEW.state IN ('partial', 'failure') AND NEW.uploaded_at IS NOT NULL,
               max(0, coalesce(NEW.rows_expected, 0) - coalesce(NEW.rows_processed, 0)), 0)
    WHERE NEW.kind = 'data'
    ON CONFLICT DO UPDATE SET files = files + 1, bytes_sent = bytes_sent + excluded.bytes_sent,
        rows_sent = rows_sent + excluded.rows_sent, rows_processed = rows_processed + excluded.rows_processed,
        rows_lost = rows_lost + excluded.rows_lost;
END;

CREATE TRIGGER ended_job_goes AFTER DELETE ON job WHEN OLD.finished_at IS NOT NULL
BEGIN
    UPDATE ended SET jobs = jobs - 1 WHERE account = OLD.account AND state = OLD.state;
END;

CREATE TRIGGER attempt_ends AFTER UPDATE OF outcome ON attempt WHEN OLD.outcome IS NULL AND NEW.outcome IS NOT NULL
BEGIN
    INSERT INTO ended_attempts SELECT account, NEW.outcome, 1 FROM job WHERE id = NEW.job_id
    ON CONFLICT DO UPDATE SET attempts = attempts + 1;
END;

-- The newest first, of an account and of an end. The one is written once for each job, the other at its end.
CREATE INDEX job_by_account ON job (account);
CREATE INDEX job_by_end     ON job (state) WHERE finished_at IS NOT NULL;
