-- The job log. Times are milliseconds since 1970, UTC; the view `job_log` shows them as RFC 3339.
-- Words of `state`, `kind`, `place` and `phase` mirror the enums of the module `job`.

CREATE TABLE target (
    id              INTEGER PRIMARY KEY,
    base_url        TEXT NOT NULL,
    path_segment    TEXT NOT NULL,
    company         TEXT NOT NULL,
    report_suite_id TEXT NOT NULL,
    data_source_id  INTEGER NOT NULL,
    UNIQUE (base_url, path_segment, company, report_suite_id, data_source_id)
) STRICT;

CREATE TABLE account (
    name            TEXT PRIMARY KEY,
    -- Content of the folder's hidden mark (DESIGN F4).
    folder_mark     TEXT,
    -- The upload style that worked, and the one tried next under `auto`.
    style           TEXT,
    trial_style     TEXT,
    -- A style in which a file was accepted: kept when what was learnt is forgotten.
    proven_style    TEXT,
    -- Where the account's files go: what was learnt holds for that alone.
    target_id       INTEGER REFERENCES target (id),
    folder_problem  TEXT,
    api_problem     TEXT,
    blocked_at      INTEGER,
    -- When the folder was first scanned whole: what lay there then may have been sent by others (DESIGN F8).
    first_scan_at   INTEGER,
    -- When the remote list was first read whole (DESIGN S1).
    baseline_at     INTEGER,
    swept_at        INTEGER,
    next_sweep_at   INTEGER,
    -- Attempts in a row that ended without a clear answer (DESIGN S4).
    unclear_streak  INTEGER NOT NULL DEFAULT 0,
    -- Files refused in a row before the first was ever accepted (DESIGN §5).
    refused_streak  INTEGER NOT NULL DEFAULT 0,
    refused_alike   TEXT,
    -- Files in the folder that are none of ours, as the last scan counted them.
    ignored         INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE job (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    account          TEXT NOT NULL,
    file_name        TEXT NOT NULL,
    -- The name under which the file lies on disk, byte for byte.
    disk_name        BLOB NOT NULL,
    stem             TEXT NOT NULL,
    wire_name        TEXT NOT NULL,
    kind             TEXT NOT NULL CHECK (kind IN ('data', 'fin')),
    state            TEXT NOT NULL CHECK (state IN ('waiting', 'queued', 'uploading', 'unconfirmed', 'held', 'uploaded',
                                                    'processing', 'success', 'partial', 'failure', 'rejected', 'cancelled')),
    phase            TEXT CHECK ((phase IS NOT NULL) = (state = 'uploading') AND phase IN ('started', 'committing')),
    reason           TEXT,
    -- Where the file lies, and where its state wants it.
    place            TEXT NOT NULL CHECK (place IN ('inbox', 'sent', 'held', 'done', 'failed', 'gone')),
    belongs          TEXT NOT NULL CHECK (belongs IN ('inbox', 'sent', 'held', 'done', 'failed', 'gone')),
    path             TEXT NOT NULL,
    device           INTEGER,
    inode            INTEGER,
    born_ns          INTEGER,
    modified_ns      INTEGER,
    size             INTEGER,
    sha256           TEXT CHECK (length(sha256) = 64),
    rows_expected    INTEGER,
    rows_processed   INTEGER,
    target_id        INTEGER REFERENCES target (id),
    remote_job_id    INTEGER,
    remote_status    TEXT,
    remote_created   TEXT,
    remote_started   TEXT,
    remote_finished  TEXT,
    attempts         INTEGER NOT NULL DEFAULT 0,
    unclear_ends     INTEGER NOT NULL DEFAULT 0,
    refusals         INTEGER NOT NULL DEFAULT 0,
    -- A person let it go: `duplicates` and the first start are not asked again.
    released         INTEGER NOT NULL DEFAULT 0,
    seen_at          INTEGER NOT NULL,
    queued_at        INTEGER,
    uploaded_at      INTEGER,
    finished_at      INTEGER,
    next_attempt_at  INTEGER,
    pair_id          INTEGER REFERENCES job (id),
    -- Ready means hashed: nothing is sent whose content is not fixed.
    CHECK (state NOT IN ('queued', 'uploading', 'unconfirmed', 'uploaded', 'processing') OR sha256 IS NOT NULL)
) STRICT;

-- Each step of a job rewrites the indexes that its changed columns touch, so there are few of them, and most are partial:
-- small while little is under way, however long the job log grows. A partial index serves only a query that repeats its
-- condition word for word.
CREATE INDEX job_by_content    ON job (account, sha256);
CREATE INDEX job_by_stem       ON job (account, stem, kind);
CREATE INDEX job_by_acceptance ON job (account, uploaded_at)                WHERE uploaded_at IS NOT NULL;
CREATE INDEX job_ended         ON job (account, state, finished_at)         WHERE finished_at IS NOT NULL;
CREATE INDEX job_unfinished    ON job (account, state)                      WHERE finished_at IS NULL;
CREATE INDEX job_due           ON job (account, next_attempt_at)            WHERE state = 'queued';
CREATE INDEX job_by_order      ON job (account, stem, kind, file_name)      WHERE state = 'queued';
CREATE INDEX job_by_arrival    ON job (account, queued_at)                  WHERE state = 'queued';
CREATE INDEX job_on_the_wire   ON job (account, wire_name)                  WHERE state IN ('uploading', 'unconfirmed');
CREATE INDEX job_in_inbox      ON job (account, disk_name)                  WHERE place = 'inbox';
CREATE INDEX job_unfiled       ON job (account)                             WHERE place <> belongs AND place <> 'gone';
CREATE UNIQUE INDEX job_remote ON job (account, remote_job_id) WHERE remote_job_id IS NOT NULL;

CREATE TABLE attempt (
    job_id        INTEGER NOT NULL REFERENCES job (id),
    number        INTEGER NOT NULL,
    phase         TEXT NOT NULL CHECK (phase IN ('started', 'sending', 'committing', 'answered')),
    style         TEXT NOT NULL,
    started_at    INTEGER NOT NULL,
    committing_at INTEGER,
    ended_at      INTEGER,
    -- The event that ended it, the HTTP status and what was seen.
    outcome       TEXT,
    http_status   INTEGER,
    request_id    TEXT,
    -- The server's own clock, from its Date header.
    server_time   INTEGER,
    detail        TEXT,
    PRIMARY KEY (job_id, number)
) STRICT, WITHOUT ROWID;

-- Every remote job ever seen in a list of an account: the oracle for what cannot be ours (DESIGN S1).
CREATE TABLE remote_job (
    account       TEXT NOT NULL,
    remote_job_id INTEGER NOT NULL,
    file_name     TEXT,
    first_seen_at INTEGER NOT NULL,
    PRIMARY KEY (account, remote_job_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX remote_job_by_name ON remote_job (account, file_name);

CREATE TABLE job_event (
    id         INTEGER PRIMARY KEY,
    job_id     INTEGER NOT NULL REFERENCES job (id),
    at         TEXT NOT NULL,
    event      TEXT NOT NULL,
    from_state TEXT,
    to_state   TEXT NOT NULL,
    detail     TEXT
) STRICT;

CREATE INDEX job_event_by_job ON job_event (job_id, id);

CREATE TRIGGER job_event_is_append_only_update BEFORE UPDATE ON job_event
BEGIN SELECT RAISE(ABORT, 'job_event is append-only'); END;

CREATE TRIGGER job_event_is_append_only_delete BEFORE DELETE ON job_event
BEGIN SELECT RAISE(ABORT, 'job_event is append-only'); END;

CREATE TRIGGER delivered_job_stays BEFORE DELETE ON job
WHEN OLD.uploaded_at IS NOT NULL OR OLD.remote_job_id IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a delivered job is never deleted: it guards against sending its content again'); END;

CREATE VIEW job_log AS
SELECT id, account, file_name, kind, state, reason, path, size, sha256, rows_expected, rows_processed, remote_job_id,
       remote_status, remote_created, remote_started, remote_finished, attempts,
       strftime('%Y-%m-%dT%H:%M:%S', seen_at / 1000, 'unixepoch') || printf('.%03dZ', seen_at % 1000) AS seen_at,
       strftime('%Y-%m-%dT%H:%M:%S', queued_at / 1000, 'unixepoch') || printf('.%03dZ', queued_at % 1000) AS queued_at,
       strftime('%Y-%m-%dT%H:%M:%S', uploaded_at / 1000, 'unixepoch') || printf('.%03dZ', uploaded_at % 1000) AS uploaded_at,
       strftime('%Y-%m-%dT%H:%M:%S', finished_at / 1000, 'unixepoch') || printf('.%03dZ', finished_at % 1000) AS finished_at,
       strftime('%Y-%m-%dT%H:%M:%S', next_attempt_at / 1000, 'unixepoch') || printf('.%03dZ', next_attempt_at % 1000)
           AS next_attempt_at,
       pair_id
FROM job;
