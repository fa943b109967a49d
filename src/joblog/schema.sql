-- The job log. Times are milliseconds since 1970, UTC; the view `job_log` shows them as RFC 3339.
-- Words of `state`, `kind`, `place` and `phase` mirror the enums of the module `job`; lists of states are its named sets, as a
-- test checks.

------------------------------------------------------------------------------------------------------------------------
-- Where jobs go

CREATE TABLE target (
    id              INTEGER PRIMARY KEY,
    base_url        TEXT NOT NULL,
    path_segment    TEXT NOT NULL,
    company         TEXT NOT NULL,
    report_suite_id TEXT NOT NULL,
    data_source_id  INTEGER NOT NULL,
    -- The first target that differs at most in its path segment, which is a way to the place and not a part of it.
    place           INTEGER NOT NULL DEFAULT 0,
    UNIQUE (base_url, path_segment, company, report_suite_id, data_source_id)
) STRICT;

-- A remote job has no name but its number, and that is unique only within one place (base URL, company, report suite, data
-- source) and until the server begins its numbers from the start again. A line is such a run of numbers.
CREATE TABLE line (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    account  TEXT NOT NULL,
    place    INTEGER NOT NULL,
    -- The last event before it began.
    began    INTEGER NOT NULL
) STRICT;

CREATE INDEX line_by_place ON line (account, place);

------------------------------------------------------------------------------------------------------------------------
-- Jobs

CREATE TABLE job (
    id                   INTEGER PRIMARY KEY AUTOINCREMENT,
    account              TEXT NOT NULL,
    file_name            TEXT NOT NULL,
    -- The name under which the file lies on disk, byte for byte.
    disk_name            BLOB NOT NULL,
    stem                 TEXT NOT NULL,
    wire_name            TEXT NOT NULL,
    kind                 TEXT NOT NULL CHECK (kind IN ('data', 'fin')),
    state                TEXT NOT NULL CHECK (state IN ('waiting', 'queued', 'uploading', 'unconfirmed', 'held', 'uploaded',
                                                        'processing', 'success', 'partial', 'failure', 'rejected', 'cancelled')),
    phase                TEXT CHECK ((phase IS NOT NULL) = (state = 'uploading') AND phase IN ('started', 'committing')),
    reason               TEXT,
    -- Why, where something depends on it; the reason says the same to people.
    cause                TEXT CHECK (cause IN ('on-hold', 'replaced', 'day-to-come', 'next-day', 'changed',
                                                        'day-covered')),
    -- Where the file lies, and where its state wants it.
    place                TEXT NOT NULL CHECK (place IN ('inbox', 'sent', 'held', 'done', 'failed', 'gone')),
    belongs              TEXT NOT NULL CHECK (belongs IN ('inbox', 'sent', 'held', 'done', 'failed', 'gone')),
    path                 TEXT NOT NULL,
    device               INTEGER,
    inode                INTEGER,
    born_ns              INTEGER,
    modified_ns          INTEGER,
    size                 INTEGER,
    sha256               TEXT CHECK (length(sha256) = 64),
    -- Proves that what an attempt sends is that content, for less than SHA-256 costs. Both come from one pass.
    blake3               BLOB CHECK ((blake3 IS NOT NULL) = (sha256 IS NOT NULL) AND length(blake3) = 32),
    rows_expected        INTEGER,
    rows_processed       INTEGER,
    target_id            INTEGER REFERENCES target (id),
    remote_job_id        INTEGER,
    -- The line that its remote job is of. 0: not known.
    line                 INTEGER NOT NULL DEFAULT 0,
    remote_status        TEXT,
    remote_created       TEXT,
    remote_started       TEXT,
    remote_finished      TEXT,
    attempts             INTEGER NOT NULL DEFAULT 0,
    unclear_ends         INTEGER NOT NULL DEFAULT 0,
    refusals             INTEGER NOT NULL DEFAULT 0,
    -- An attempt ended unclear, and it is not known since whether it was ingested.
    unsettled            INTEGER NOT NULL DEFAULT 0,
    -- A person let it go: `duplicates` and the first start are not asked again.
    released             INTEGER NOT NULL DEFAULT 0,
    seen_at              INTEGER NOT NULL,
    queued_at            INTEGER,
    uploaded_at          INTEGER,
    finished_at          INTEGER,
    next_attempt_at      INTEGER,
    pair_id              INTEGER REFERENCES job (id),
    -- The job that a person had sent again as this one; it may have left the job log since.
    retry_of             INTEGER,
    -- What the check found in the file (the account's key `check`), the worst findings, each on a line of its own, the rest
    -- counted; NULL where it found nothing or was off.
    findings             TEXT,
    -- For the reasons of bad ends, as Adobe gives none: what likely fails the file; which rows it likely skips, and how many.
    likely_cause         TEXT,
    likely_rows          TEXT,
    rows_skipped         INTEGER NOT NULL DEFAULT 0,
    -- What the file of an accepted job holds by now, where that is no longer what was sent (DESIGN F2): its rows, and whether
    -- what was sent is still its beginning.
    changed_rows         INTEGER,
    changed_by_appending INTEGER NOT NULL DEFAULT 0 CHECK (changed_by_appending IN (0, 1)),
    -- The remote job of its name beside its own, which no job owns: it was possibly ingested twice.
    doubled_with         INTEGER,
    -- Ready means hashed: nothing is sent whose content is not fixed.
    CHECK (state NOT IN ('queued', 'uploading', 'unconfirmed', 'uploaded', 'processing') OR sha256 IS NOT NULL)
) STRICT;

-- Each step of a job rewrites the indexes that its changed columns touch, so there are few of them, and most are partial:
-- small while little is under way, however long the job log grows. A partial index serves only a query that repeats its
-- condition word for word.
CREATE INDEX job_by_account    ON job (account);
CREATE INDEX job_by_content    ON job (account, sha256);
CREATE INDEX job_by_stem       ON job (account, stem, kind);
-- What came since a time, without reading all that came before it.
CREATE INDEX job_by_time       ON job (seen_at);
CREATE INDEX job_by_acceptance ON job (account, uploaded_at)           WHERE uploaded_at IS NOT NULL;
CREATE INDEX job_ended         ON job (account, state, finished_at)    WHERE finished_at IS NOT NULL;
-- The newest first, of an end.
CREATE INDEX job_by_end        ON job (state)                          WHERE finished_at IS NOT NULL;
CREATE INDEX job_unfinished    ON job (account, state)                 WHERE finished_at IS NULL;
CREATE INDEX job_due           ON job (account, next_attempt_at)       WHERE state = 'queued';
CREATE INDEX job_by_order      ON job (account, stem, kind, file_name) WHERE state = 'queued';
CREATE INDEX job_for_a_day     ON job (account, next_attempt_at)       WHERE cause IN ('day-to-come', 'next-day');
CREATE INDEX job_by_arrival    ON job (account, queued_at)             WHERE state = 'queued';
CREATE INDEX job_on_the_wire   ON job (account, wire_name)             WHERE state IN ('uploading', 'unconfirmed');
CREATE INDEX job_in_inbox      ON job (account, disk_name)             WHERE place = 'inbox';
-- Files that were set apart, by what the file system calls them: a person may move one back into the folder, by any name.
CREATE INDEX job_set_apart     ON job (account, inode)                 WHERE place IN ('held', 'failed');
CREATE INDEX job_unfiled       ON job (account)                        WHERE place <> belongs AND place <> 'gone';
CREATE INDEX job_doubled       ON job (finished_at)                    WHERE doubled_with IS NOT NULL;
CREATE INDEX job_by_retry      ON job (retry_of)                       WHERE retry_of IS NOT NULL;
-- Both jobs of a pair leave together.
CREATE INDEX job_by_pair       ON job (pair_id)                        WHERE pair_id IS NOT NULL;
CREATE UNIQUE INDEX job_remote ON job (account, line, remote_job_id)   WHERE remote_job_id IS NOT NULL;

-- The columns of data files, whose order does not matter: files with the same ones report the same of a day.
CREATE TABLE column_set (
    id      INTEGER PRIMARY KEY,
    -- JSON arrays in the order of the alphabet; in that of the metrics, sums are kept.
    columns TEXT NOT NULL UNIQUE,
    metrics TEXT NOT NULL
) STRICT;

-- What a checked file reports of each data day, such as 2026-11-23. It stays when its job is pruned, if it counts.
CREATE TABLE job_day (
    job_id     INTEGER NOT NULL,
    day        TEXT NOT NULL,
    account    TEXT NOT NULL,
    column_set INTEGER NOT NULL REFERENCES column_set (id),
    -- The place where it counts: Adobe accepted it there, and has not failed it. NULL: it counts nowhere.
    place      INTEGER,
    rows       INTEGER NOT NULL,
    -- Rows that Adobe may not have processed, at most; and the sums of the metrics.
    in_doubt   INTEGER NOT NULL DEFAULT 0,
    totals     TEXT NOT NULL,
    PRIMARY KEY (job_id, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX job_day_by_day ON job_day (account, day, column_set, place, job_id);

-- The same of all files that count, added up, so that no reader has to.
CREATE TABLE day_total (
    account    TEXT NOT NULL,
    place      INTEGER NOT NULL,
    day        TEXT NOT NULL,
    column_set INTEGER NOT NULL,
    files      INTEGER NOT NULL,
    rows       INTEGER NOT NULL,
    in_doubt   INTEGER NOT NULL,
    totals     TEXT NOT NULL,
    -- When the first of them was accepted.
    covered_at INTEGER NOT NULL,
    PRIMARY KEY (account, place, day, column_set)
) STRICT, WITHOUT ROWID;

-- The data days that an alert reported as missing, and that have not come since.
CREATE TABLE missing_day (
    account TEXT NOT NULL,
    day     TEXT NOT NULL,
    PRIMARY KEY (account, day)
) STRICT, WITHOUT ROWID;

-- The data days of what was sent on each calendar day, as the account's days begin.
CREATE TABLE day_sent (
    account TEXT NOT NULL,
    sent_on TEXT NOT NULL,
    day     TEXT NOT NULL,
    job_id  INTEGER NOT NULL,
    PRIMARY KEY (account, sent_on, day, job_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX day_sent_by_job ON day_sent (job_id);

------------------------------------------------------------------------------------------------------------------------
-- Attempts

CREATE TABLE attempt (
    job_id          INTEGER NOT NULL REFERENCES job (id),
    number          INTEGER NOT NULL,
    phase           TEXT NOT NULL CHECK (phase IN ('started', 'sending', 'committing', 'answered')),
    style           TEXT NOT NULL,
    started_at      INTEGER NOT NULL,
    -- How much of its request has gone while it takes its time; NULL where it was quick.
    sent_percent    INTEGER,
    committing_at   INTEGER,
    ended_at        INTEGER,
    -- The event that ended it, the HTTP status and what was seen.
    outcome         TEXT,
    http_status     INTEGER,
    request_id      TEXT,
    -- The server's own clock, from its Date header, and the latest that was known of it when the attempt began: our clock may
    -- be set at any time, before or after, and must not decide where an unclear upload is looked for.
    server_time     INTEGER,
    server_after    INTEGER,
    detail          TEXT,
    -- The number that the server's 2xx answer gave to this attempt, where another job of ours owns it or it was there before:
    -- the server says that it has the file, so that a list without it never leads to a resend (DESIGN S2).
    disputed_job_id INTEGER,
    PRIMARY KEY (job_id, number)
) STRICT, WITHOUT ROWID;

------------------------------------------------------------------------------------------------------------------------
-- Events

-- Before or after? Clocks step; the numbers of events only grow.
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
-- Jobs that took too long: few, however long the job log grows.
CREATE INDEX job_event_overdue ON job_event (job_id) WHERE event IN ('delayed', 'stalled', 'asked-daily');

-- What happens to accounts and to the service. `account` is NULL for the service.
CREATE TABLE account_event (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT,
    at      INTEGER NOT NULL,
    event   TEXT NOT NULL CHECK (event IN ('blocked', 'unblocked', 'missing', 'cleared', 'started', 'muted', 'unmuted')),
    detail  TEXT
) STRICT;

------------------------------------------------------------------------------------------------------------------------
-- What people want of jobs, and of the alerts of accounts

-- Written by the command (`jobs retry` and the like), carried out by the process that holds the lock of the state directory, so that it
-- is neither lost nor done twice.
CREATE TABLE instruction (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    given_at     INTEGER NOT NULL,
    given_by     TEXT NOT NULL,
    verb         TEXT NOT NULL CHECK (verb IN ('retry', 'hold', 'release', 'cancel', 'mute', 'unmute')),
    job_id       INTEGER CHECK ((job_id IS NOT NULL) = (verb NOT IN ('mute', 'unmute'))),
    -- The account whose alerts are to be muted, and for how many milliseconds.
    account      TEXT CHECK ((account IS NULL) = (job_id IS NOT NULL)),
    mute_ms      INTEGER CHECK ((mute_ms IS NOT NULL) = (verb = 'mute')),
    -- `resend` and `adopt` of a release, `force` of a cancel.
    how          TEXT CHECK (how IN ('resend', 'adopt', 'force')),
    adopted_id   INTEGER CHECK ((adopted_id IS NOT NULL) = (how IS 'adopt')),
    -- The newest event of the job when the person decided: a job that has changed since is left as it is.
    seen_event   INTEGER,
    answered_at  INTEGER,
    -- 1 done, 0 refused; and what came of it, in words.
    done         INTEGER,
    answer       TEXT,
    new_job_id   INTEGER
) STRICT;

CREATE INDEX instruction_open ON instruction (id) WHERE answered_at IS NULL;

------------------------------------------------------------------------------------------------------------------------
-- Alerts

-- What was read of both kinds of events: what comes later is still to be reported. No row: there is no receiver.
CREATE TABLE alert_cursor (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    job_event     INTEGER NOT NULL,
    account_event INTEGER NOT NULL
) STRICT;

-- What is yet to be delivered: at most two rows for each receiver, account and topic, one that still grows and one that
-- is being delivered. Delivered ones are deleted.
CREATE TABLE alert (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Such as `alert #1: webhook`.
    receiver  TEXT NOT NULL,
    -- Empty for the service.
    account   TEXT NOT NULL,
    topic     TEXT NOT NULL,
    count     INTEGER NOT NULL,
    -- The first of them, as JSON.
    facts     TEXT NOT NULL,
    first_at  INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    -- When its first event was read.
    opened_at INTEGER NOT NULL,
    due_at    INTEGER NOT NULL,
    failures  INTEGER NOT NULL DEFAULT 0,
    -- A delivery was tried: from then on its content is fixed, so that a receiver can drop repeats.
    sealed    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- When each of these was last delivered, and how many times in a row without a pause.
CREATE TABLE alert_told (
    receiver TEXT NOT NULL,
    account  TEXT NOT NULL,
    topic    TEXT NOT NULL,
    told_at  INTEGER NOT NULL,
    streak   INTEGER NOT NULL,
    PRIMARY KEY (receiver, account, topic)
) STRICT, WITHOUT ROWID;

-- The last local day on which each receiver was sent the daily summary of an account, or began to get one.
CREATE TABLE alert_summary (
    receiver TEXT NOT NULL,
    account  TEXT NOT NULL,
    day      TEXT NOT NULL,
    PRIMARY KEY (receiver, account)
) STRICT, WITHOUT ROWID;

------------------------------------------------------------------------------------------------------------------------
-- Remote jobs

-- Every remote job ever seen of an account: the oracle for what cannot be ours (DESIGN S1).
CREATE TABLE remote_job (
    account       TEXT NOT NULL,
    line          INTEGER NOT NULL,
    remote_job_id INTEGER NOT NULL,
    -- The name and the date that the server told, by which the job is known again.
    file_name     TEXT,
    created       TEXT,
    rows          INTEGER,
    -- Whether a list has shown it, and whether a job of ours owns it.
    listed        INTEGER NOT NULL DEFAULT 0,
    owned         INTEGER NOT NULL DEFAULT 0,
    first_seen_at INTEGER NOT NULL,
    -- The last event when a list that has it was answered: an attempt whose event came later cannot have made it.
    after_event   INTEGER NOT NULL,
    -- The account's `start_number` then.
    start_number  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, line, remote_job_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX remote_job_unowned ON remote_job (account, line, first_seen_at) WHERE NOT owned;

-- So that no change can forget it.
CREATE TRIGGER remote_job_gets_its_owner AFTER UPDATE OF remote_job_id ON job WHEN NEW.remote_job_id IS NOT NULL
BEGIN
    UPDATE remote_job SET owned = 1
    WHERE account = NEW.account AND line = NEW.line AND remote_job_id = NEW.remote_job_id AND NOT owned;
END;

------------------------------------------------------------------------------------------------------------------------
-- Accounts and the service

CREATE TABLE account (
    name                TEXT PRIMARY KEY,
    -- Content of the folder's hidden mark (DESIGN F4).
    folder_mark         TEXT,
    -- The upload style that worked, and the one tried next under `auto`.
    style               TEXT,
    trial_style         TEXT,
    -- A style in which a file was accepted, by which job first, and when: kept when what was learnt is forgotten.
    proven_style        TEXT,
    proven_by           INTEGER,
    proven_at           INTEGER,
    -- What the API answered to the styles that it refused since one was accepted: JSON pairs of style and answer.
    refused_styles      TEXT,
    -- When the API last answered a request for the list.
    list_read_at        INTEGER,
    -- An upload was refused in a way that only the list can explain: nothing is sent before it was read.
    list_wanted         INTEGER NOT NULL DEFAULT 0 CHECK (list_wanted IN (0, 1)),
    -- Where the account's files go: what was learnt holds for that alone.
    target_id           INTEGER REFERENCES target (id),
    -- The last event before the account was aimed there: what lists showed until then is another place's.
    aimed_event         INTEGER NOT NULL DEFAULT 0,
    -- The line in which the account's files get their numbers now. 0: not known.
    line                INTEGER NOT NULL DEFAULT 0,
    -- What is the matter with the folder, and with the account or its credential; and what helps.
    folder_problem      TEXT,
    folder_remedy       TEXT,
    api_problem         TEXT,
    api_remedy          TEXT,
    -- The folder has not been opened since the start: nothing is known to be wrong yet, and nothing is sent.
    unopened            INTEGER NOT NULL DEFAULT 0 CHECK (unopened IN (0, 1)),
    blocked_at          INTEGER,
    -- The problem that the last `blocked` named; NULL since its `unblocked`. Each start forgets `folder_problem` and
    -- `api_problem` and finds them again: that is no news.
    noted_problem       TEXT,
    -- When the folder was first scanned whole, and the last event then: what lay there may have been sent by others (DESIGN F8).
    first_scan_at       INTEGER,
    first_scan_event    INTEGER NOT NULL DEFAULT 0,
    -- Counts the starts, but for those before which the folder was not scanned; and the last event when the first scan since the
    -- start was over, NULL until then: what it finds may have been sent by a job log that knew more (DESIGN S5).
    start_number        INTEGER NOT NULL DEFAULT 0,
    start_scan_event    INTEGER,
    -- Files in the folder that are none of ours, as the last scan counted them.
    ignored             INTEGER NOT NULL DEFAULT 0,
    -- The quiet period in milliseconds, where files that were changed after they were taken in made it longer than the
    -- configured one.
    settle_ms           INTEGER,
    -- When the remote list was first read whole (DESIGN S1), and the last event then.
    baseline_at         INTEGER,
    baseline_event      INTEGER NOT NULL DEFAULT 0,
    swept_at            INTEGER,
    next_sweep_at       INTEGER,
    -- What Adobe's row counts mean (DESIGN T1); NULL while no job has shown it.
    row_count           TEXT CHECK (row_count IN ('processing', 'file')),
    -- Where Adobe writes errors of its files, shortened to be shown. Empty: nowhere; NULL: not known.
    error_address       TEXT,
    -- The latest time by the server's own clock that an answer told.
    server_seen_at      INTEGER,
    -- The latest remote job that came after the baseline and under none of our names: others write to this account.
    stranger_id         INTEGER,
    stranger_name       TEXT,
    stranger_seen_at    INTEGER,
    -- Attempts in a row that ended without a clear answer (DESIGN S4).
    unclear_streak      INTEGER NOT NULL DEFAULT 0,
    -- Files refused in a row before the first was ever accepted (DESIGN §5).
    refused_streak      INTEGER NOT NULL DEFAULT 0,
    refused_alike       TEXT,
    -- Answers in a row that said of a token that had just been given that it is not valid.
    unauthorised_streak INTEGER NOT NULL DEFAULT 0,
    -- The last local day (such as 2026-11-23) of which `expect` was judged.
    expected_on         TEXT,
    -- The last of these days that was told to be missed, until what it lacked has come.
    expect_missed_on    TEXT,
    -- Alerts are kept back from then until then, and who wants that: NULL once somebody has ended it. All three are NULL once
    -- what was kept back may be told.
    muted_at            INTEGER,
    muted_until         INTEGER,
    muted_by            TEXT
) STRICT, WITHOUT ROWID;

-- What the API tells of the report suites that accounts send to: never needed to send, and kept so that files can be checked
-- without asking.
CREATE TABLE report_suite (
    base_url        TEXT NOT NULL,
    company         TEXT NOT NULL,
    -- Adobe reads these in either case.
    report_suite_id TEXT NOT NULL COLLATE NOCASE,
    -- As JSON. A part that could not be read the last time is that of an earlier time.
    facts           TEXT NOT NULL,
    -- When it was last asked for, and when a part of it was last read.
    asked_at        INTEGER NOT NULL,
    read_at         INTEGER,
    -- Which parts could not be read the last time, each with the reason on a line of its own.
    unread          TEXT,
    time_zone       TEXT GENERATED ALWAYS AS (CASE WHEN json_valid(facts) THEN facts ->> 'time_zone' END) STORED,
    PRIMARY KEY (base_url, company, report_suite_id)
) STRICT, WITHOUT ROWID;

-- What the running daemon says of itself.
CREATE TABLE daemon (
    one               INTEGER PRIMARY KEY CHECK (one = 1),
    -- Why its last reload was refused, and when. NULL once one is taken, and after a start.
    reload_refused    TEXT,
    reload_refused_at INTEGER,
    -- A number drawn at each start. Who restores a backup into the database of a running daemon replaces it, and is noticed.
    run               INTEGER
) STRICT;

INSERT INTO daemon (one) VALUES (1);

------------------------------------------------------------------------------------------------------------------------
-- What stays

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
    line          INTEGER NOT NULL DEFAULT 0,
    -- The place of the target that it went to. 0: not known.
    place_id      INTEGER NOT NULL DEFAULT 0,
    -- Where its file was left: a person may ask what lies there.
    disk_name     BLOB NOT NULL,
    place         TEXT NOT NULL,
    uploaded_at   INTEGER,
    finished_at   INTEGER
) STRICT;

CREATE INDEX delivered_by_content    ON delivered (account, sha256);
CREATE INDEX delivered_by_end        ON delivered (account, state, finished_at);
CREATE INDEX delivered_by_name       ON delivered (account, disk_name);
CREATE UNIQUE INDEX delivered_remote ON delivered (account, line, remote_job_id) WHERE remote_job_id IS NOT NULL;

-- The jobs that the running transaction prunes: for these alone the triggers make way. Empty outside of it.
CREATE TABLE pruning (job_id INTEGER PRIMARY KEY) STRICT;

CREATE TRIGGER job_event_is_append_only_update BEFORE UPDATE ON job_event
BEGIN SELECT RAISE(ABORT, 'job_event is append-only'); END;

CREATE TRIGGER job_event_is_append_only_delete BEFORE DELETE ON job_event
WHEN NOT EXISTS (SELECT 1 FROM pruning WHERE job_id = OLD.job_id)
BEGIN SELECT RAISE(ABORT, 'job_event is append-only'); END;

CREATE TRIGGER delivered_job_stays BEFORE DELETE ON job
WHEN (OLD.uploaded_at IS NOT NULL OR OLD.remote_job_id IS NOT NULL)
 AND NOT (EXISTS (SELECT 1 FROM pruning WHERE job_id = OLD.id)
          AND EXISTS (SELECT 1 FROM delivered WHERE job_id = OLD.id AND account = OLD.account AND sha256 IS OLD.sha256
                      AND remote_job_id IS OLD.remote_job_id))
BEGIN SELECT RAISE(ABORT, 'a delivered job is never deleted: it guards against sending its content again'); END;

CREATE TRIGGER delivered_stays BEFORE DELETE ON delivered
BEGIN SELECT RAISE(ABORT, 'what was delivered is never forgotten: it guards against sending it again'); END;

------------------------------------------------------------------------------------------------------------------------
-- Sums

-- For those who look: the page, /metrics and `status` never count again, however long the job log has grown. Sums are kept
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

------------------------------------------------------------------------------------------------------------------------
-- The stable interface (DESIGN §8): new columns only ever come at the end

CREATE VIEW job_log AS
SELECT id, account, file_name, kind, state, reason, path, size, sha256, rows_expected, rows_processed, remote_job_id,
       remote_status, remote_created, remote_started, remote_finished, attempts,
       strftime('%Y-%m-%dT%H:%M:%S', seen_at / 1000, 'unixepoch') || printf('.%03dZ', seen_at % 1000) AS seen_at,
       strftime('%Y-%m-%dT%H:%M:%S', queued_at / 1000, 'unixepoch') || printf('.%03dZ', queued_at % 1000) AS queued_at,
       strftime('%Y-%m-%dT%H:%M:%S', uploaded_at / 1000, 'unixepoch') || printf('.%03dZ', uploaded_at % 1000) AS uploaded_at,
       strftime('%Y-%m-%dT%H:%M:%S', finished_at / 1000, 'unixepoch') || printf('.%03dZ', finished_at % 1000) AS finished_at,
       strftime('%Y-%m-%dT%H:%M:%S', next_attempt_at / 1000, 'unixepoch') || printf('.%03dZ', next_attempt_at % 1000)
           AS next_attempt_at,
       pair_id,
       (SELECT min(day) FROM job_day WHERE job_id = job.id) AS first_day,
       (SELECT max(day) FROM job_day WHERE job_id = job.id) AS last_day,
       (SELECT nullif(count(*), 0) FROM job_day WHERE job_id = job.id) AS days
FROM job;
