-- How much of an attempt's request has gone while it takes its time; NULL where it was quick.
ALTER TABLE attempt ADD COLUMN sent_percent INTEGER;
