-- The numbers of a thread's events: each run has a thousand million of them, from event_base + 1 on,
-- in the order in which the runs began; a thread's event_base is where its next run's begin.
ALTER TABLE threads ADD COLUMN event_base INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN event_base INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET event_base = 1000000000 * (
    SELECT count(*) FROM runs AS earlier
    WHERE earlier.thread_id = runs.thread_id AND earlier.epoch > 0 AND earlier.epoch < runs.epoch
) WHERE epoch > 0;
UPDATE threads SET event_base = 1000000000 * (
    SELECT count(*) FROM runs WHERE runs.thread_id = threads.thread_id AND runs.epoch > 0
);
CREATE TRIGGER runs_numbered AFTER UPDATE OF epoch ON runs
WHEN old.epoch = 0 AND new.epoch > 0 BEGIN
    UPDATE runs SET event_base = (SELECT event_base FROM threads WHERE thread_id = new.thread_id)
    WHERE run_id = new.run_id;
    UPDATE threads SET event_base = event_base + 1000000000 WHERE thread_id = new.thread_id;
END;
