-- What a marker in a partner's folder says is compared with what this ledger wrote into
-- it, folder by folder: -1 = this ledger is a copy, the folder may know more.
UPDATE folders SET body = json_set(body, '$.generation', coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'generation'), 0));
PRAGMA application_id = 0x41533244;
