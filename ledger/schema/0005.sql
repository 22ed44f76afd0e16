-- filed: when a transfer was filed, nanoseconds UTC. kept: what of it retention may still
-- remove: 1 the folder in sent, 2 the folder in failed, 4 the message, 8 the rest of the
-- evidence, 16 attempts and header; 32 alone = something is being removed just now.
-- line: the place among the transfers of a partner that go in order; 0 = it holds nobody
-- up. content: SHA-256 of the document, once it is known and unless it failed.
ALTER TABLE transfers ADD COLUMN filed   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transfers ADD COLUMN kept    INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transfers ADD COLUMN line    INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transfers ADD COLUMN content TEXT    NOT NULL DEFAULT '';
UPDATE transfers SET
  filed = CAST(coalesce(strftime('%s', json_extract(body, '$.filed')), 0) AS INTEGER) * 1000000000,
  kept = CASE WHEN state <> 'filed' THEN 0 ELSE
      16 + CASE WHEN json_extract(body, '$.sealed') IS NULL THEN 0 ELSE 12 END +
      CASE WHEN json_extract(body, '$.verdict') IN ('rejected', 'refused', 'gave up') THEN 2 ELSE 1 END END,
  content = CASE WHEN state = 'undone' OR json_extract(body, '$.verdict') IN ('rejected', 'refused', 'gave up') THEN '' ELSE
      coalesce((SELECT json_extract(m.value, '$.sha256') FROM json_each(body, '$.members') AS m WHERE json_extract(m.value, '$.role') = 'document'), '') END;
CREATE INDEX transfers_kept    ON transfers (partner, kept, filed, id);
CREATE INDEX transfers_line    ON transfers (partner, line, created, id) WHERE line > 0;
CREATE INDEX transfers_content ON transfers (partner, content, created, id) WHERE content <> '';

ALTER TABLE received ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
UPDATE received SET kept = 28 WHERE open = 0;
CREATE INDEX received_kept ON received (partner, kept, at, id);

ALTER TABLE refusals ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
UPDATE refusals SET kept = CASE WHEN json_extract(body, '$.receipt') IS NULL THEN 16 ELSE 28 END WHERE partner <> '';
CREATE INDEX refusals_kept ON refusals (partner, kept, at, id);
