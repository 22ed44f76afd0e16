-- What is wrong, or was: one open row for the same thing. live: it is open, or somebody may
-- still have to be told that it is over. over: nanoseconds UTC, 0 = it is open.
CREATE TABLE alarms (
  id   TEXT PRIMARY KEY,
  key  TEXT NOT NULL,
  live INTEGER NOT NULL,
  over INTEGER NOT NULL,
  body TEXT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX alarms_open ON alarms (key) WHERE over = 0;
CREATE INDEX alarms_live ON alarms (id) WHERE live = 1;
CREATE INDEX alarms_over ON alarms (over);
-- The transfers that an alarm is about, until something has become of each. document: the
-- key of its files.
CREATE TABLE alarm_items (
  subject  TEXT NOT NULL,
  alarm    TEXT NOT NULL,
  partner  TEXT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (subject, alarm)
) WITHOUT ROWID;
CREATE INDEX alarm_items_alarm    ON alarm_items (alarm);
CREATE INDEX alarm_items_document ON alarm_items (partner, document);
-- How far each receiver of the config was told of each alarm.
CREATE TABLE alarm_told (
  alarm    TEXT NOT NULL,
  receiver TEXT NOT NULL,
  body     TEXT NOT NULL,
  PRIMARY KEY (alarm, receiver)
) WITHOUT ROWID;
-- The message that is owed to each receiver, and how the last ones fared.
CREATE TABLE alarm_receivers (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
