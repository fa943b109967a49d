-- What the running daemon says of itself: why its last reload was refused, and when. NULL once one is taken, and after a start.
CREATE TABLE daemon (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    reload_refused TEXT,
    reload_refused_at INTEGER
) STRICT;
INSERT INTO daemon (one) VALUES (1);
