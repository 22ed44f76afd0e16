-- Hooks that are to be run because of what happened to a transfer or received message, and
-- what became of those that were.
CREATE TABLE hooks (
  subject TEXT NOT NULL, -- transfer or received message
  kind    TEXT NOT NULL,
  name    TEXT NOT NULL, -- of the hook in the config
  partner TEXT NOT NULL,
  open    INTEGER NOT NULL,
  due     INTEGER NOT NULL, -- nanoseconds UTC
  version INTEGER NOT NULL,
  body    TEXT NOT NULL,
  PRIMARY KEY (subject, kind, name)
) WITHOUT ROWID;
CREATE INDEX hooks_due ON hooks (partner, due) WHERE open = 1;
