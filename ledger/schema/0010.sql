-- stand: where a transfer stands, for those who look for one. SQLite computes it, so that
-- no row has to be written anew; the document is only looked into where the columns do not
-- tell.
ALTER TABLE transfers ADD COLUMN stand TEXT AS (CASE
  WHEN state = 'undone' THEN 'undone'
  WHEN state = 'filed' THEN CASE WHEN json_extract(body, '$.verdict') IN ('rejected', 'refused', 'gave up') THEN 'failed' ELSE 'sent' END
  WHEN held = 1 AND json_extract(body, '$.hold') <> '' THEN 'held'
  WHEN state = 'waiting' THEN 'waiting'
  ELSE 'open' END) VIRTUAL;

-- Identifiers sort by time: the newest first, by what an operator asks for.
CREATE INDEX transfers_newest       ON transfers (partner, id);
CREATE INDEX transfers_stand        ON transfers (stand, id);
CREATE INDEX transfers_partnerstand ON transfers (partner, stand, id);
CREATE INDEX received_newest        ON received (partner, id);
CREATE INDEX refusals_newest        ON refusals (partner, id);
CREATE INDEX refusals_message       ON refusals (json_extract(body, '$.message_id'), id);
CREATE INDEX stored_newest          ON stored (id) WHERE open = 1;
CREATE INDEX wishes_transfer        ON wishes (json_extract(body, '$.transfer'), id);

-- What names of files are found by: each name from the beginning of each of its words on,
-- in the form that names are compared in.
CREATE TABLE words (
  what    INTEGER NOT NULL, -- 0 = of a transfer, 1 = of a received message
  word    TEXT NOT NULL,
  id      TEXT NOT NULL,
  partner TEXT NOT NULL,
  PRIMARY KEY (what, word, id)
) WITHOUT ROWID;
CREATE INDEX words_newest ON words (what, id, word, partner);

-- How much there was, by quarters of an hour, of which every day of every time zone is
-- made. The triggers below keep it equal to what the rows say.
CREATE TABLE slots (
  partner TEXT NOT NULL, -- empty = of all partners, and of senders that nobody knows
  slot    INTEGER NOT NULL, -- quarters of an hour since 1970
  what    TEXT NOT NULL, -- sent, failed, received, refused
  n       INTEGER NOT NULL,
  bytes   INTEGER NOT NULL,
  PRIMARY KEY (partner, slot, what)
) WITHOUT ROWID;

CREATE TRIGGER transfers_filed_new AFTER INSERT ON transfers WHEN NEW.stand IN ('sent', 'failed') BEGIN
  INSERT INTO slots (partner, slot, what, n, bytes)
    SELECT p.value, NEW.filed / 900000000000, NEW.stand, 1,
      (SELECT coalesce(sum(json_extract(m.value, '$.size')), 0) FROM json_each(NEW.body, '$.members') AS m WHERE json_extract(m.value, '$.role') <> 'marker')
    FROM json_each(json_array(NEW.partner, '')) AS p WHERE true
    ON CONFLICT (partner, slot, what) DO UPDATE SET n = n + excluded.n, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER transfers_filed_before AFTER UPDATE ON transfers WHEN OLD.stand IN ('sent', 'failed') AND (OLD.stand <> NEW.stand OR OLD.filed <> NEW.filed) BEGIN
  UPDATE slots SET n = n - 1, bytes = bytes -
      (SELECT coalesce(sum(json_extract(m.value, '$.size')), 0) FROM json_each(OLD.body, '$.members') AS m WHERE json_extract(m.value, '$.role') <> 'marker')
    WHERE partner IN (OLD.partner, '') AND slot = OLD.filed / 900000000000 AND what = OLD.stand;
END;
CREATE TRIGGER transfers_filed_now AFTER UPDATE ON transfers WHEN NEW.stand IN ('sent', 'failed') AND (OLD.stand <> NEW.stand OR OLD.filed <> NEW.filed) BEGIN
  INSERT INTO slots (partner, slot, what, n, bytes)
    SELECT p.value, NEW.filed / 900000000000, NEW.stand, 1,
      (SELECT coalesce(sum(json_extract(m.value, '$.size')), 0) FROM json_each(NEW.body, '$.members') AS m WHERE json_extract(m.value, '$.role') <> 'marker')
    FROM json_each(json_array(NEW.partner, '')) AS p WHERE true
    ON CONFLICT (partner, slot, what) DO UPDATE SET n = n + excluded.n, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER received_new AFTER INSERT ON received BEGIN
  INSERT INTO slots (partner, slot, what, n, bytes)
    SELECT p.value, NEW.at / 900000000000, 'received', 1,
      (SELECT coalesce(sum(json_extract(f.value, '$.size')), 0) FROM json_each(NEW.body, '$.files') AS f)
    FROM json_each(json_array(NEW.partner, '')) AS p WHERE true
    ON CONFLICT (partner, slot, what) DO UPDATE SET n = n + excluded.n, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER refusals_new AFTER INSERT ON refusals BEGIN
  INSERT INTO slots (partner, slot, what, n, bytes)
    SELECT p.value, NEW.at / 900000000000, 'refused', 1, 0
    FROM json_each(CASE NEW.partner WHEN '' THEN '[""]' ELSE json_array(NEW.partner, '') END) AS p WHERE true
    ON CONFLICT (partner, slot, what) DO UPDATE SET n = n + excluded.n;
END;

INSERT INTO slots (partner, slot, what, n, bytes)
  SELECT p.value, t.filed / 900000000000, t.stand, count(*),
    sum((SELECT coalesce(sum(json_extract(m.value, '$.size')), 0) FROM json_each(t.body, '$.members') AS m WHERE json_extract(m.value, '$.role') <> 'marker'))
  FROM transfers AS t, json_each(json_array(t.partner, '')) AS p WHERE t.stand IN ('sent', 'failed') GROUP BY 1, 2, 3;
INSERT INTO slots (partner, slot, what, n, bytes)
  SELECT p.value, r.at / 900000000000, 'received', count(*), sum((SELECT coalesce(sum(json_extract(f.value, '$.size')), 0) FROM json_each(r.body, '$.files') AS f))
  FROM received AS r, json_each(json_array(r.partner, '')) AS p GROUP BY 1, 2, 3;
INSERT INTO slots (partner, slot, what, n, bytes)
  SELECT p.value, r.at / 900000000000, 'refused', count(*), 0
  FROM refusals AS r, json_each(CASE r.partner WHEN '' THEN '[""]' ELSE json_array(r.partner, '') END) AS p GROUP BY 1, 2, 3;
