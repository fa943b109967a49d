-- A number drawn at each start. Who restores a backup into the database of a running daemon replaces it, and is noticed.
ALTER TABLE daemon ADD COLUMN run INTEGER;
