-- What happens to accounts and to the service, as `job_event` has it of jobs. `account` is NULL for the service.
CREATE TABLE account_event (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT,
    at      INTEGER NOT NULL,
    event   TEXT NOT NULL CHECK (event IN ('blocked', 'unblocked', 'missing', 'started')),
    detail  TEXT
) STRICT;

-- The problem that the account's last `blocked` named; NULL since its `unblocked`. Each start forgets `folder_problem` and
-- `api_problem` and finds them again: that is no news.
ALTER TABLE account ADD COLUMN noted_problem TEXT;
-- The last local day (such as 2026-11-23) of which `expect` was judged.
ALTER TABLE account ADD COLUMN expected_on TEXT;

-- What was read of both kinds of events: whatever comes later is yet to be told. No row: there is nobody to tell.
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
