-- The last event before the account was aimed where it goes now: what lists showed until then is another place's.
ALTER TABLE account ADD COLUMN aimed_event INTEGER NOT NULL DEFAULT 0;
