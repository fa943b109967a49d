-- The number that the server's 2xx answer gave to this attempt, where another job of ours owns it or it was there before: the
-- server says that it has the file, so that a list without it never leads to a resend (DESIGN S2).
ALTER TABLE attempt ADD COLUMN disputed_job_id INTEGER;
