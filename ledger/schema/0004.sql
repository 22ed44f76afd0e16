-- fold: the key in the form that keys are compared in, so that a file's key is looked up
-- among those claimed lately. Empty in rows that were written before this schema.
ALTER TABLE transfers ADD COLUMN fold TEXT NOT NULL DEFAULT '';
CREATE INDEX transfers_fold     ON transfers (partner, fold, created);
CREATE INDEX transfers_foldopen ON transfers (partner, fold) WHERE open = 1;
-- Those whose files are just being moved, and those that the partner's workers are to
-- carry on: both stay few while the table grows.
CREATE INDEX transfers_claiming ON transfers (partner) WHERE state = 'claiming';
CREATE INDEX transfers_queue    ON transfers (partner, due) WHERE open = 1 AND held = 0 AND state NOT IN ('waiting', 'settled');
