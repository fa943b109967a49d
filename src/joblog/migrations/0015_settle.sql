-- The quiet period of the account in milliseconds, where files that were changed after they were taken in made it longer than
-- the configured one.
ALTER TABLE account ADD COLUMN settle_ms INTEGER;
