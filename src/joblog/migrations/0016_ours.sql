-- A remote job has no name but its number, and that is unique only within one place (base URL, company, report suite, data
-- source) and as long as the server does not begin its numbers anew. A line is such a run of numbers.
ALTER TABLE target ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
UPDATE target SET place = (SELECT min(id) FROM target AS same
                           WHERE same.base_url = target.base_url AND same.company = target.company
                             AND same.report_suite_id = target.report_suite_id AND same.data_source_id = target.data_source_id);

CREATE TABLE line (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    account  TEXT NOT NULL,
    place    INTEGER NOT NULL,
    -- The last event before it began.
    began    INTEGER NOT NULL
) STRICT;
CREATE INDEX line_by_place ON line (account, place);

INSERT INTO line (account, place, began)
SELECT account, place, 0 FROM (
    SELECT DISTINCT job.account, target.place FROM job JOIN target ON target.id = job.target_id
    UNION
    SELECT account.name, target.place FROM account JOIN target ON target.id = account.target_id);

-- The line in which the account's files get their numbers now, and those that owned and listed jobs are of. 0: not known.
ALTER TABLE account ADD COLUMN line INTEGER NOT NULL DEFAULT 0;
UPDATE account SET line = coalesce((SELECT line.id FROM line JOIN target ON target.place = line.place
                                    WHERE line.account = account.name AND target.id = account.target_id), 0);

ALTER TABLE job ADD COLUMN line INTEGER NOT NULL DEFAULT 0;
UPDATE job SET line = coalesce((SELECT line.id FROM line JOIN target ON target.place = line.place
                                WHERE line.account = job.account AND target.id = job.target_id), 0)
WHERE remote_job_id IS NOT NULL;
DROP INDEX job_remote;
CREATE UNIQUE INDEX job_remote ON job (account, line, remote_job_id) WHERE remote_job_id IS NOT NULL;

ALTER TABLE delivered ADD COLUMN line INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivered ADD COLUMN place_id INTEGER NOT NULL DEFAULT 0;
UPDATE delivered SET line = coalesce((SELECT line FROM account WHERE name = delivered.account), 0);
UPDATE delivered SET place_id = coalesce((SELECT place FROM line WHERE line.id = delivered.line), 0);
DROP INDEX delivered_remote;
CREATE UNIQUE INDEX delivered_remote ON delivered (account, line, remote_job_id) WHERE remote_job_id IS NOT NULL;

-- Besides its number: the name and the date that the server told, by which the job is known again; whether a list has shown
-- it; and whether a job of ours owns it.
CREATE TABLE remote_job_anew (
    account       TEXT NOT NULL,
    line          INTEGER NOT NULL,
    remote_job_id INTEGER NOT NULL,
    file_name     TEXT,
    created       TEXT,
    rows          INTEGER,
    listed        INTEGER NOT NULL DEFAULT 0,
    owned         INTEGER NOT NULL DEFAULT 0,
    first_seen_at INTEGER NOT NULL,
    after_event   INTEGER NOT NULL,
    PRIMARY KEY (account, line, remote_job_id)
) STRICT, WITHOUT ROWID;
INSERT INTO remote_job_anew (account, line, remote_job_id, file_name, created, listed, owned, first_seen_at, after_event)
SELECT remote_job.account, coalesce(owner.line, gone.line, account.line, 0), remote_job.remote_job_id, remote_job.file_name,
       owner.remote_created, 1, owner.id IS NOT NULL OR gone.job_id IS NOT NULL, first_seen_at, after_event
FROM remote_job
LEFT JOIN account ON account.name = remote_job.account
LEFT JOIN job AS owner ON owner.account = remote_job.account AND owner.remote_job_id = remote_job.remote_job_id
LEFT JOIN delivered AS gone ON gone.account = remote_job.account AND gone.remote_job_id = remote_job.remote_job_id
WHERE true ON CONFLICT DO NOTHING;
DROP TABLE remote_job;
ALTER TABLE remote_job_anew RENAME TO remote_job;
CREATE INDEX remote_job_unowned ON remote_job (account, line, first_seen_at) WHERE NOT owned;

-- So that no change can forget it.
CREATE TRIGGER remote_job_gets_its_owner AFTER UPDATE OF remote_job_id ON job WHEN NEW.remote_job_id IS NOT NULL
BEGIN
    UPDATE remote_job SET owned = 1
    WHERE account = NEW.account AND line = NEW.line AND remote_job_id = NEW.remote_job_id AND NOT owned;
END;

-- Answers in a row that said of a token that had just been given that it is not valid.
ALTER TABLE account ADD COLUMN unauthorised_streak INTEGER NOT NULL DEFAULT 0;
