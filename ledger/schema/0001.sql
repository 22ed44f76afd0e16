CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE transfers (
  id      TEXT PRIMARY KEY,
  partner TEXT NOT NULL,
  key     TEXT NOT NULL,
  state   TEXT NOT NULL,
  open    INTEGER NOT NULL, -- 0 once filed or undone
  held    INTEGER NOT NULL,
  due     INTEGER NOT NULL, -- nanoseconds UTC
  created INTEGER NOT NULL,
  version INTEGER NOT NULL,
  message_id TEXT NOT NULL,
  body    TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX transfers_due     ON transfers (partner, open, held, due);
CREATE INDEX transfers_created ON transfers (partner, created);
CREATE INDEX transfers_key     ON transfers (key);
CREATE INDEX transfers_message ON transfers (message_id);

CREATE TABLE attempts (
  transfer TEXT NOT NULL,
  n        INTEGER NOT NULL,
  outcome  TEXT NOT NULL,
  process  TEXT NOT NULL,
  body     TEXT NOT NULL,
  PRIMARY KEY (transfer, n)
) WITHOUT ROWID;
CREATE UNIQUE INDEX attempts_open ON attempts (transfer) WHERE outcome = 'open';

CREATE TABLE received (
  id         TEXT PRIMARY KEY,
  partner    TEXT NOT NULL,
  as2_from   TEXT NOT NULL,
  as2_to     TEXT NOT NULL,
  message_id TEXT NOT NULL,
  state      TEXT NOT NULL,
  open       INTEGER NOT NULL, -- 0 once published
  at         INTEGER NOT NULL,
  version    INTEGER NOT NULL,
  body       TEXT NOT NULL,
  UNIQUE (as2_from, as2_to, message_id)
) WITHOUT ROWID;
CREATE INDEX received_open ON received (partner, open);
CREATE INDEX received_at   ON received (partner, at);

-- Final names of files that are on their way into an inbox.
CREATE TABLE names (
  partner  TEXT NOT NULL,
  name     TEXT NOT NULL,
  received TEXT NOT NULL,
  PRIMARY KEY (partner, name)
) WITHOUT ROWID;
CREATE INDEX names_received ON names (received);

CREATE TABLE refusals (
  id      TEXT PRIMARY KEY,
  partner TEXT NOT NULL,
  at      INTEGER NOT NULL,
  body    TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX refusals_at ON refusals (partner, at);

CREATE TABLE owed_mdns (
  received TEXT PRIMARY KEY,
  partner  TEXT NOT NULL,
  open     INTEGER NOT NULL,
  due      INTEGER NOT NULL,
  version  INTEGER NOT NULL,
  body     TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX owed_due ON owed_mdns (partner, open, due);

CREATE TABLE events (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  partner  TEXT NOT NULL,
  subject  TEXT NOT NULL, -- transfer or received message
  body     TEXT NOT NULL
);
CREATE INDEX events_partner ON events (partner, id);
CREATE INDEX events_subject ON events (subject, id);

CREATE TABLE wishes (
  id   TEXT PRIMARY KEY,
  open INTEGER NOT NULL,
  body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX wishes_open ON wishes (open, id);

CREATE TABLE pauses   (partner TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE folders  (partner TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE configs  (hash TEXT PRIMARY KEY, at INTEGER NOT NULL, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE stations (name TEXT NOT NULL, as2_id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (name, as2_id)) WITHOUT ROWID;
CREATE TABLE certificates (
  owner       TEXT NOT NULL, -- "station NAME" or "partner NAME"
  fingerprint TEXT NOT NULL,
  body        TEXT NOT NULL,
  PRIMARY KEY (owner, fingerprint)
) WITHOUT ROWID;
