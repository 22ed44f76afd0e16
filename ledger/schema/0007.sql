-- Partners who cannot be reached or do not take messages: since when, until one is taken.
CREATE TABLE troubles (partner TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
-- What was told already and is not told again: of what, and how far.
CREATE TABLE told (subject TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- When something was delivered last.
CREATE INDEX transfers_filed ON transfers (partner, filed);
