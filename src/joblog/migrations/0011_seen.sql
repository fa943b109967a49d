-- What came since a time, without reading all that came before it.
CREATE INDEX job_by_time ON job (seen_at);
