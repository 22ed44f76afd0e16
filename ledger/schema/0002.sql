-- Messages whose receipt is asked for later: their bytes are durable, nobody has opened
-- them yet. They are not in the table received: what is not verified never stands in the
-- way of another message of the same Message-ID.
CREATE TABLE stored (
  id      TEXT PRIMARY KEY,
  partner TEXT NOT NULL,
  open    INTEGER NOT NULL, -- 0 once it is accepted, refused or found to be a repeat
  held    INTEGER NOT NULL,
  due     INTEGER NOT NULL, -- nanoseconds UTC
  version INTEGER NOT NULL,
  body    TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX stored_due ON stored (partner, open, held, due);
